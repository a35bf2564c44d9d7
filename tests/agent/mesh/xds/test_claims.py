from agent.mesh.xds.claims import Claims
from proxy.api import ProxyConfig


class Feed:
    def __init__(self) -> None:
        self.served: dict[str, int] = {}

    def put(self, config: ProxyConfig) -> None:
        self.served[config.id] = config.index

    def remove(self, proxy_id: str, /) -> None:
        self.served.pop(proxy_id, None)


def proxy(index: int) -> ProxyConfig:
    return ProxyConfig(id="web", service="web", index=index)


def test_the_own_worker_serves_what_nobody_follows() -> None:
    feed = Feed()
    claims = Claims(feed)

    claims.put(proxy(1))
    claims.put(proxy(2))

    assert {"web": 2} == feed.served


def test_who_follows_gets_the_newest_and_the_worker_lets_go() -> None:
    feed, seen = Feed(), list[int]()
    claims = Claims(feed)
    claims.put(proxy(1))

    claims.follow("web", lambda config: seen.append(config.index))
    claims.put(proxy(2))

    assert ([1, 2], {}) == (seen, feed.served)


def test_the_worker_has_the_proxy_again_when_the_last_follower_is_gone() -> None:
    feed = Feed()
    claims = Claims(feed)
    claims.put(proxy(1))
    ends = [claims.follow("web", lambda _: None) for _ in range(2)]
    claims.put(proxy(2))

    ends[0]()
    assert {} == feed.served
    ends[1]()

    assert {"web": 2} == feed.served


def test_a_proxy_may_be_followed_before_it_is_there() -> None:
    feed, seen = Feed(), list[int]()
    claims = Claims(feed)
    claims.follow("web", lambda config: seen.append(config.index))

    claims.put(proxy(1))

    assert ([1], {}) == (seen, feed.served)


def test_a_removed_proxy_is_not_given_back() -> None:
    feed = Feed()
    claims = Claims(feed)
    claims.put(proxy(1))
    end = claims.follow("web", lambda _: None)

    claims.remove("web")
    end()

    assert {} == feed.served
