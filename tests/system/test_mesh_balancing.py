"""Which instance serves: subsets, redirects, and every policy of balancing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.system.agent_process import wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_site import App, Sidecar, write_entry
from tests.system.mesh_traffic import (
    assert_share,
    caller,
    explain,
    instances,
    spread,
    wait_all,
)

pytestmark = pytest.mark.system

REQUESTS = 600
KEYS = 12


@contextmanager
def balanced(
    agents: Cluster, name: str, balancer: Mapping[str, Any], *definitions: Mapping[str, Any]
) -> Iterator[tuple[Sidecar, list[App]]]:
    """A caller of three instances (or those defined) that are balanced in this way."""
    back = f"{name}-back"
    with instances(agents, back, *(definitions or ({}, {}, {}))) as apps:
        write_entry(agents.server, "service-resolver", back, LoadBalancer=dict(balancer))
        front = caller(agents, f"{name}-front", back)
        policy = balancer["Policy"]
        front.wait_reach(back)
        wait_until(lambda: explained_policy(front, back) == policy, what=f"policy {policy}")
        wait_all(front, back, apps)
        yield front, apps


def explained_policy(front: Sidecar, back: str) -> str:
    shares = explain(front.agent, front.service, back).answer["Shares"] or [{}]
    return str(shares[0].get("Balance"))


def test_subsets_are_instances_by_their_meta(mesh_agents: Cluster) -> None:
    versions = [{"meta": {"version": version}} for version in ("1", "2", "2")]
    with instances(mesh_agents, "sub-back", *versions) as apps:
        filters = {f"v{n}": {"Filter": f"Service.Meta.version == {n}"} for n in (1, 2)}
        resolver = {"Subsets": filters, "DefaultSubset": "v1"}
        write_entry(mesh_agents.server, "service-resolver", "sub-back", **resolver)
        match = {"HTTP": {"Header": [{"Name": "x-new", "Present": True}]}}
        to_new = {"Match": match, "Destination": {"ServiceSubset": "v2"}}
        write_entry(mesh_agents.server, "service-router", "sub-back", Routes=[to_new])
        front = caller(mesh_agents, "sub-front", "sub-back")
        wait_all(front, "sub-back", apps[:1])
        wait_all(front, "sub-back", apps[1:], headers={"x-new": "1"})

        served = spread(front.upstreams["sub-back"], 40, headers={"x-new": "1"})

        assert {apps[1].name, apps[2].name} == set(served)
        new = explain(front.agent, "sub-front", "sub-back", headers={"x-new": "1"})
        assert set(served) == new.instances
        usual = explain(front.agent, "sub-front", "sub-back")
        assert {apps[0].name} == usual.instances


def test_a_redirect_leads_to_the_other_service(mesh_agents: Cluster) -> None:
    with (
        instances(mesh_agents, "from-back", {}) as old,
        instances(mesh_agents, "to-back", {}) as new,
    ):
        front = caller(mesh_agents, "redirect-front", "from-back")
        wait_all(front, "from-back", old)

        write_entry(
            mesh_agents.server, "service-resolver", "from-back", Redirect={"Service": "to-back"}
        )

        wait_all(front, "from-back", new)
        explained = explain(front.agent, "redirect-front", "from-back")
        assert {new[0].name} == explained.instances
        assert ["to-back.default.dc1"] == list(explained.shares)


def test_shares_of_shares_are_multiplied_and_each_has_its_headers(mesh_agents: Cluster) -> None:
    server, total = mesh_agents.server, 1000
    versions = [{"meta": {"version": str(number)}} for number in range(2)]
    with (
        instances(mesh_agents, "outer-back", {}) as outer,
        instances(mesh_agents, "inner-back", *versions) as inner,
    ):
        subsets = {f"v{n}": {"Filter": f"Service.Meta.version == {n}"} for n in range(2)}
        write_entry(server, "service-resolver", "inner-back", Subsets=subsets)
        splits = [
            {
                "Weight": weight,
                "ServiceSubset": f"v{n}",
                "ResponseHeaders": {"Set": {"x-v": str(n)}},
            }
            for n, weight in enumerate((20, 80))
        ]
        write_entry(server, "service-splitter", "inner-back", Splits=splits)
        halves = [{"Weight": 50}, {"Weight": 50, "Service": "inner-back"}]
        write_entry(server, "service-splitter", "outer-back", Splits=halves)
        front = caller(mesh_agents, "outer-front", "outer-back")
        front.wait_reach("outer-back")
        expected = {outer[0].name, *(each.name for each in inner)}
        port = front.upstreams["outer-back"]
        wait_until(lambda: set(spread(port, 100)) == expected, what="all shares")

        served = spread(port, total)
        versions_told = {
            (answer.served_by, answer.headers.get("X-V"))
            for answer in (front.call("outer-back") for _ in range(40))
        }

        shares = explain(front.agent, "outer-front", "outer-back").shares
        assert {
            "outer-back.default.dc1": 50,
            "v0.inner-back.default.dc1": 10,
            "v1.inner-back.default.dc1": 40,
        } == shares
        for each, percent in zip((*outer, *inner), (50, 10, 40), strict=True):
            assert_share(percent, served[each.name], total)
        allowed = {(outer[0].name, None), (inner[0].name, "0"), (inner[1].name, "1")}
        assert versions_told <= allowed


def test_round_robin_gives_each_the_same(mesh_agents: Cluster) -> None:
    with balanced(mesh_agents, "rr", {"Policy": "round_robin"}) as (front, apps):
        served = spread(front.upstreams["rr-back"], REQUESTS)

        assert {app.name: REQUESTS // 3 for app in apps} == dict(served)


def test_random_gives_each_its_share(mesh_agents: Cluster) -> None:
    with balanced(mesh_agents, "chance", {"Policy": "random"}) as (front, apps):
        served = spread(front.upstreams["chance-back"], REQUESTS)

        for each in apps:
            assert_share(100 / 3, served[each.name], REQUESTS)
        assert len(set(served.values())) > 1 or served.total() % 3, "chance is not even"


@pytest.mark.parametrize("policy", ["round_robin", "weighted"])
def test_weights_of_registrations_are_kept(mesh_agents: Cluster, policy: str) -> None:
    weights = [{"more": {"Weights": {"Passing": each, "Warning": 1}}} for each in (1, 2, 7)]
    name = f"weight-{policy.partition('_')[0]}"
    with balanced(mesh_agents, name, {"Policy": policy}, *weights) as (front, apps):
        served = spread(front.upstreams[f"{name}-back"], REQUESTS)

        for each, percent in zip(apps, (10, 20, 70), strict=True):
            assert_share(percent, served[each.name], REQUESTS)
        explained = explain(front.agent, front.service, f"{name}-back").answer
        seen = explained["Shares"][0]["Groups"][0]["Instances"]
        assert [1, 2, 7] == sorted(each["Weight"] for each in seen)


@pytest.mark.parametrize("policy", ["least_request", "peak_ewma"])
def test_a_slow_instance_gets_less(mesh_agents: Cluster, policy: str) -> None:
    name = policy.replace("_", "-")
    with balanced(mesh_agents, name, {"Policy": policy}) as (front, apps):
        apps[0].delay_s = 0.2

        served = spread(front.upstreams[f"{name}-back"], 300, connections=6)

        assert 300 == served.total()
        assert served[apps[0].name] < 60, served
        assert min(served[each.name] for each in apps[1:]) > 60, served


def served_by(front: Sidecar, back: str, path: str = "/", **headers: str) -> str:
    """Who serves requests with these headers: the same one each time."""
    served = Counter(front.call(back, path, headers=headers).served_by for _ in range(4))
    assert 1 == len(served), served
    return next(iter(served))


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_the_same_header_leads_to_the_same_instance(mesh_agents: Cluster, policy: str) -> None:
    name = policy.replace("_", "-")
    hashed = {"HashPolicies": [{"Field": "header", "FieldValue": "x-user"}], "Policy": policy}
    with balanced(mesh_agents, name, hashed) as (front, apps):
        back = f"{name}-back"

        homes = {user: served_by(front, back, **{"x-user": f"u{user}"}) for user in range(KEYS)}

        assert len(set(homes.values())) > 1
        gone = homes[0]
        (lost,) = (each for each in apps if each.name == gone)
        agent = mesh_agents.agents[apps.index(lost)]
        agent.put_ok(f"/v1/agent/service/deregister/{lost.name}")
        wait_all(front, back, [each for each in apps if each is not lost])
        now = {user: served_by(front, back, **{"x-user": f"u{user}"}) for user in range(KEYS)}
        kept = {user: home for user, home in homes.items() if home != gone}
        assert kept == {user: now[user] for user in kept}, "only those of the lost one move"


def test_a_cookie_keeps_a_client_where_it_was(mesh_agents: Cluster) -> None:
    config = {"CookieConfig": {"TTL": "1h", "Path": "/"}}
    hashed = {
        "Policy": "ring_hash",
        "HashPolicies": [{"Field": "cookie", "FieldValue": "stick", **config}],
    }
    with balanced(mesh_agents, "cookie", hashed) as (front, _):
        firsts = [front.call("cookie-back") for _ in range(KEYS)]

        homes = set()
        for first in firsts:
            cookie = first.headers["Set-Cookie"]
            assert cookie.startswith("stick=")
            assert "Max-Age=3600" in cookie
            again = served_by(front, "cookie-back", Cookie=cookie.partition(";")[0])
            assert first.served_by == again
            homes.add(again)
        assert len(homes) > 1


def test_a_query_parameter_or_the_source_decides(mesh_agents: Cluster) -> None:
    by_query = {
        "Policy": "maglev",
        "HashPolicies": [
            {"Field": "query_parameter", "FieldValue": "user", "Terminal": True},
            {"SourceIP": True},
        ],
    }
    with balanced_anyhow(mesh_agents, "query", by_query) as front:
        homes = {served_by(front, "query-back", f"/?user={user}") for user in range(KEYS)}

        assert len(homes) > 1
        assert served_by(front, "query-back") in homes, "one address, one instance"


@contextmanager
def balanced_anyhow(agents: Cluster, name: str, balancer: Mapping[str, Any]) -> Iterator[Sidecar]:
    """As `balanced`, where plain requests all go to one instance."""
    back = f"{name}-back"
    with instances(agents, back, {}, {}, {}):
        write_entry(agents.server, "service-resolver", back, LoadBalancer=dict(balancer))
        front = caller(agents, f"{name}-front", back)

        def serving() -> set[str]:
            return {front.call(back, f"/?user={user}").served_by for user in range(KEYS)}

        front.wait_reach(back)
        wait_until(lambda: len(explain(front.agent, front.service, back).instances) == 3)
        wait_until(lambda: len(serving()) > 1, what="several instances")
        yield front
