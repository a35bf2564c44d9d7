"""What config entries do to requests on their way: routes, edits, mirrors, faults and limits."""

import http.client
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.agent_process import wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_site import calling, write_entry
from tests.system.mesh_traffic import (
    assert_share,
    caller,
    explain,
    instances,
    spread,
    wait_all,
    wait_answer,
)

pytestmark = pytest.mark.system

SHARE_REQUESTS = 1000
SECOND_NS = 10**9


def route(service: str = "", match: dict[str, Any] | None = None, **destination: Any) -> Any:
    """A route of a service-router."""
    if service:
        destination["Service"] = service
    return {"Match": {"HTTP": match or {}}, "Destination": destination}


def by_header(name: str, **how: Any) -> dict[str, Any]:
    return {"Header": [{"Name": name, **how}]}


ROUTES = [
    {"PathExact": "/exact"},
    {"PathPrefix": "/Prefix/", "CaseInsensitive": True},
    {"PathRegex": "/re/[0-9]+"},
    by_header("x-present", Present=True),
    by_header("x-exact", Exact="a"),
    by_header("x-prefix", Prefix="ab"),
    by_header("x-suffix", Suffix="yz"),
    by_header("x-regex", Regex="v[12]"),
    {"QueryParam": [{"Name": "debug", "Exact": "1"}]},
    {"QueryParam": [{"Name": "any", "Present": True}]},
    {"QueryParam": [{"Name": "number", "Regex": "[0-9]+"}]},
    {"Methods": ["DELETE", "PATCH"]},
    {"PathPrefix": "/inverted", **by_header("x-inverted", Exact="a", Invert=True)},
]
REQUESTS: list[tuple[bool, str, str, dict[str, str]]] = [
    (True, "GET", "/exact?x", {}),
    (False, "GET", "/exact/", {}),
    (True, "GET", "/pREFIX/x", {}),
    (False, "GET", "/Prefix", {}),
    (True, "GET", "/re/42", {}),
    (False, "GET", "/re/42/x", {}),
    (True, "GET", "/", {"X-Present": ""}),
    (True, "GET", "/", {"X-Exact": "a"}),
    (False, "GET", "/", {"X-Exact": "ab"}),
    (True, "GET", "/", {"X-Prefix": "abc"}),
    (True, "GET", "/", {"X-Suffix": "xyz"}),
    (False, "GET", "/", {"X-Suffix": "xy"}),
    (True, "GET", "/", {"X-Regex": "v2"}),
    (False, "GET", "/", {"X-Regex": "v22"}),
    (True, "GET", "/?debug=1", {}),
    (False, "GET", "/?debug=11", {}),
    (True, "GET", "/?any=", {}),
    (True, "GET", "/?number=12", {}),
    (False, "GET", "/?number=x", {}),
    (True, "DELETE", "/", {}),
    (True, "PATCH", "/", {}),
    (False, "PUT", "/", {}),
    (True, "GET", "/inverted", {"X-Inverted": "b"}),
    (False, "GET", "/inverted", {"X-Inverted": "a"}),
]


def test_requests_take_the_routes_that_explain_names(mesh_agents: Cluster) -> None:
    server = mesh_agents.server
    with instances(mesh_agents, "way-main", {}) as main, instances(mesh_agents, "way-side", {}):
        routes = [route("way-side", match) for match in ROUTES]
        write_entry(server, "service-router", "way-main", Routes=routes)
        front = caller(mesh_agents, "way-front", "way-main")
        wait_all(front, "way-main", main)
        wait_answer(front, "way-main", lambda answer: answer.served_by == "way-side-0", "/exact")

        for is_taken, method, path, headers in REQUESTS:
            asked = (method, path, headers)
            answer = front.call("way-main", path, method=method, headers=headers)
            expected = "way-side" if is_taken else "way-main"
            assert (200, f"{expected}-0") == (answer.status, answer.served_by), asked
            explained = explain(
                front.agent, "way-front", "way-main", path, method=method, headers=headers
            )
            assert [f"{expected}.default.dc1"] == list(explained.shares), asked


def test_paths_and_headers_are_changed_on_their_way(mesh_agents: Cluster) -> None:
    request_headers = {
        "Add": {"x-added": "one"},
        "Set": {"x-set": "set"},
        "Remove": ["x-removed"],
    }
    response_headers = {"Add": {"x-answer": "yes"}, "Remove": ["x-served-by"]}
    edits = {"RequestHeaders": request_headers, "ResponseHeaders": response_headers}
    edited = route(match={"PathPrefix": "/old/"}, PrefixRewrite="/new/", **edits)
    with instances(mesh_agents, "edit-back", {}) as apps:
        write_entry(mesh_agents.server, "service-router", "edit-back", Routes=[edited])
        front = caller(mesh_agents, "edit-front", "edit-back")
        wait_all(front, "edit-back", apps)
        sent = {"x-set": "was", "x-removed": "was", "x-added": "was", "x-kept": "was"}

        answer = wait_answer(
            front, "edit-back", lambda answer: "X-Answer" in answer.headers, "/old/a?b=/old/",
            headers=sent,
        )  # fmt: skip

        seen = answer.seen
        assert "/new/a?b=/old/" == seen["path"]
        given = sorted((n.lower(), v) for n, v in seen["headers"] if n.lower().startswith("x-"))
        ours = [pair for pair in given if pair[0] in {*sent, "x-removed"}]
        assert [
            ("x-added", "one"), ("x-added", "was"), ("x-kept", "was"), ("x-set", "set"),
        ] == ours  # fmt: skip
        assert ("yes", "") == (answer.headers["X-Answer"], answer.served_by)
        explained = explain(front.agent, "edit-front", "edit-back", "/old/a?b=/old/")
        assert "/new/a?b=/old/" == explained.route["PathSent"]


def test_a_mirror_gets_copies_whose_answers_do_not_count(mesh_agents: Cluster) -> None:
    mirrored = route(match={"PathPrefix": "/"}, Mirror={"Service": "mirror-copy"})
    with (
        instances(mesh_agents, "mirror-back", {}) as apps,
        instances(mesh_agents, "mirror-copy", {}) as copies,
    ):
        write_entry(mesh_agents.server, "service-router", "mirror-back", Routes=[mirrored])
        front = caller(mesh_agents, "mirror-front", "mirror-back")
        wait_all(front, "mirror-back", apps)
        wait_until(lambda: front.call("mirror-back", "/probe") and copies[0].count, timeout_s=20)
        copies[0].status = 500
        copies[0].delay_s = 0.5

        began = time.monotonic()
        answers = [
            front.call("mirror-back", f"/m/{number}", method="POST", body=b"copied")
            for number in range(5)
        ]

        assert time.monotonic() - began < 2.0, "nobody waits for a mirror"
        assert {(200, "mirror-back-0")} == {(each.status, each.served_by) for each in answers}
        for number in range(5):
            wait_until(lambda at=number: copies[0].requests["POST", f"/m/{at}"] == 1, what="copy")
        explained = explain(front.agent, "mirror-front", "mirror-back")
        assert "100 % to mirror-copy.default.dc1" == explained.route["Mirror"]


def test_faults_come_to_their_shares(mesh_agents: Cluster) -> None:
    aborted = route(match={"PathPrefix": "/abort"}, Fault={"AbortStatus": 418, "AbortPercent": 30})
    delayed = route(match={"PathPrefix": "/delay"}, Fault={"Delay": "300ms"})
    with instances(mesh_agents, "fault-back", {}) as apps:
        write_entry(mesh_agents.server, "service-router", "fault-back", Routes=[aborted, delayed])
        front = caller(mesh_agents, "fault-front", "fault-back")
        wait_all(front, "fault-back", apps)
        port = front.upstreams["fault-back"]
        wait_until(lambda: "418" in spread(port, 50, path="/abort"), what="the router")

        served = spread(port, SHARE_REQUESTS, path="/abort")
        began = time.monotonic()
        delayed_answer = front.call("fault-back", "/delay")

        assert {"418", "fault-back-0"} == set(served)
        assert_share(30, served["418"], SHARE_REQUESTS)
        assert 200 == delayed_answer.status
        assert 0.3 <= time.monotonic() - began < 1.0
        assert (
            "418 for 30 %"
            in explain(front.agent, "fault-front", "fault-back", "/abort").route["Fault"]
        )


def test_requests_beyond_a_rate_are_answered_429(mesh_agents: Cluster) -> None:
    limited = route(
        match={"PathPrefix": "/limited"}, RateLimit={"RequestsPerSecond": 1, "RequestsMaxBurst": 5}
    )
    with instances(mesh_agents, "rate-back", {}) as apps:
        write_entry(mesh_agents.server, "service-router", "rate-back", Routes=[limited])
        front = caller(mesh_agents, "rate-front", "rate-back")
        wait_all(front, "rate-back", apps)
        wait_until(
            lambda: explain(front.agent, "rate-front", "rate-back", "/limited").route.get(
                "RateLimit"
            ),
            what="the router",
        )
        port = front.upstreams["rate-back"]
        wait_until(lambda: "429" in spread(port, 12, path="/limited"), what="the limit")
        before = apps[0].requests["GET", "/limited"]
        time.sleep(2.1)  # two tokens flow in

        began = time.monotonic()
        served = spread(port, 30, path="/limited")
        most = 3 + int(time.monotonic() - began)

        assert {"429", "rate-back-0"} == set(served)
        assert 2 <= served["rate-back-0"] <= most
        assert served["rate-back-0"] == apps[0].requests["GET", "/limited"] - before
        assert 200 == front.call("rate-back", "/").status


def test_an_instance_limits_the_rate_of_all_its_callers(mesh_agents: Cluster) -> None:
    with instances(mesh_agents, "inst-back", {}) as apps:
        front = caller(mesh_agents, "inst-front", "inst-back")
        wait_all(front, "inst-back", apps)
        limits = {"InstanceLevel": {"RequestsPerSecond": 2, "RequestsMaxBurst": 4}}
        defaults = {"Protocol": "http", "RateLimits": limits}
        write_entry(mesh_agents.server, "service-defaults", "inst-back", **defaults)
        port = front.upstreams["inst-back"]

        wait_until(lambda: "429" in spread(port, 20), what="the limit")
        before = apps[0].count

        began = time.monotonic()
        served = spread(port, 30)

        assert {"429", "inst-back-0"} >= set(served)
        assert served["inst-back-0"] <= 5 + 2 * (time.monotonic() - began)
        assert served["inst-back-0"] == apps[0].count - before


def test_a_slow_answer_is_504_at_the_time_that_explain_tells(mesh_agents: Cluster) -> None:
    with instances(mesh_agents, "slow-back", {}) as apps:
        short = route(match={"PathPrefix": "/short"}, RequestTimeout="300ms")
        write_entry(mesh_agents.server, "service-resolver", "slow-back", RequestTimeout="700ms")
        write_entry(mesh_agents.server, "service-router", "slow-back", Routes=[short])
        front = caller(mesh_agents, "slow-front", "slow-back")
        wait_all(front, "slow-back", apps)
        apps[0].delay_s = 1.5
        wait_answer(front, "slow-back", lambda answer: answer.status == 504, "/short")

        for path, timeout_s, said, source in (
            ("/short", 0.3, "300ms", "router:slow-back[0] RequestTimeout"),
            ("/", 0.7, "700ms", "resolver:slow-back.default.dc1 RequestTimeout"),
        ):
            began = time.monotonic()
            answer = front.call("slow-back", path)
            took_s = time.monotonic() - began
            found = explain(front.agent, "slow-front", "slow-back", path).route
            assert 504 == answer.status
            assert timeout_s <= took_s < timeout_s + 0.4
            assert (said, source) == (found["Timeout"], found["TimeoutFrom"])


def test_the_called_side_has_a_time_limit_of_its_own(mesh_agents: Cluster) -> None:
    limited = {"config": {"local_request_timeout_ms": 300}}
    with instances(mesh_agents, "local-back", limited) as apps:
        front = caller(mesh_agents, "local-front", "local-back")
        wait_all(front, "local-back", apps)
        apps[0].delay_s = 1.0

        assert 504 == front.call("local-back").status

        (share,) = explain(front.agent, "local-front", "local-back").answer["Shares"]
        verdict = share["Verdict"]
        assert ("300ms", "local_request_timeout_ms") == (
            verdict["Timeout"],
            verdict["TimeoutFrom"],
        )


def test_shares_move_without_a_failure(mesh_agents: Cluster) -> None:
    versions = [{"meta": {"version": str(number)}} for number in range(2)]
    with instances(mesh_agents, "move-back", *versions) as apps:
        subsets = {f"v{n}": {"Filter": f"Service.Meta.version == {n}"} for n in range(2)}
        write_entry(mesh_agents.server, "service-resolver", "move-back", Subsets=subsets)
        split(mesh_agents, "move-back", 100, 0)
        front = caller(mesh_agents, "move-front", "move-back")
        wait_all(front, "move-back", apps[:1])

        with calling(front.upstreams["move-back"]) as tally:
            split(mesh_agents, "move-back", 50, 50)
            wait_all(front, "move-back", apps)
            split(mesh_agents, "move-back", 0, 100)
            wait_all(front, "move-back", apps[1:])

        assert {"200"} == set(tally.outcomes), tally.failures
        shares = explain(front.agent, "move-front", "move-back").shares
        assert 100 == shares["v1.move-back.default.dc1"]


def split(agents: Cluster, service: str, *weights: int) -> None:
    """Split a service over its subsets v0 and so on."""
    splits = [{"Weight": each, "ServiceSubset": f"v{n}"} for n, each in enumerate(weights)]
    write_entry(agents.server, "service-splitter", service, Splits=splits)


def test_a_prepared_query_leads_to_whom_it_finds(mesh_agents: Cluster) -> None:
    tagged = [{"more": {"Tags": ["new"]}}, {"more": {"Tags": ["old"]}}]
    with instances(mesh_agents, "query-target", *tagged) as apps:
        query = {"Service": "query-target", "Connect": True, "Tags": ["new"]}
        made = mesh_agents.server.request(
            "POST", "/v1/query", {"Name": "find-new", "Service": query}
        )
        assert made.status == 200, made.body
        upstream = {
            "DestinationType": "prepared_query",
            "DestinationName": "find-new",
            "Config": {"protocol": "http"},
        }
        front = caller(mesh_agents, "query-front", upstream)
        wait_all(front, "find-new", apps[:1])


def upstream_limits(agents: Cluster, how: str, back: str, front: str) -> Mapping[str, Any]:
    """The upstream with limits, by its registration or by the entry of the caller."""
    if how == "registration":
        limits = {"max_connections": 1, "max_pending_requests": 1, "max_concurrent_requests": 2}
        return {"DestinationName": back, "Config": {"limits": limits}}
    few = {"MaxConnections": 1, "MaxPendingRequests": 1, "MaxConcurrentRequests": 2}
    config = {"Overrides": [{"Name": back, "Limits": few}]}
    write_entry(agents.server, "service-defaults", front, UpstreamConfig=config)
    return {"DestinationName": back}


@pytest.mark.parametrize("how", ["registration", "entry"])
def test_what_is_too_much_at_once_is_503(mesh_agents: Cluster, how: str) -> None:
    back, front_name = f"full-{how}", f"full-{how}-front"
    with instances(mesh_agents, back, {}) as apps:
        front = caller(mesh_agents, front_name, upstream_limits(mesh_agents, how, back, front_name))
        wait_until(lambda: set(spread(front.upstreams[back], 4)) & {apps[0].name}, timeout_s=30)
        apps[0].delay_s = 0.5
        before = apps[0].count
        statuses: list[int] = []

        def ask() -> None:
            try:
                statuses.append(front.call(back).status)
            except (OSError, http.client.HTTPException):
                statuses.append(0)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {200, 503} == set(statuses)
        assert 1 <= statuses.count(200) <= 2
        assert statuses.count(200) == apps[0].count - before
