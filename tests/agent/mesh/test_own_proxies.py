"""Which proxies the agent's own workers have."""

from agent.mesh.own_proxies import OwnProxies
from proxy.api import ProxyConfig
from tests.agent.mesh.fake_feed import FakeFeed

A = ProxyConfig(id="a", service="web")


def test_only_the_agents_own_reach_the_workers() -> None:
    feed, own = FakeFeed(), {"a"}
    proxies = OwnProxies(feed, own.__contains__)

    proxies.put(A)
    proxies.put(ProxyConfig(id="b", service="db"))

    assert [A] == feed.configs


def test_a_proxy_that_is_left_to_others_is_removed() -> None:
    feed, own = FakeFeed(), {"a"}
    proxies = OwnProxies(feed, own.__contains__)
    proxies.put(A)

    own.clear()
    proxies.put(A)
    proxies.put(A)

    assert ["a"] == feed.removed


def test_what_was_never_served_is_not_removed() -> None:
    feed = FakeFeed()

    OwnProxies(feed, lambda _id: True).remove("a")

    assert [] == feed.removed
