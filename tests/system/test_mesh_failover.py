"""What becomes of requests when instances fail: failover, ejection, retries, checks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.system.agent_process import AgentProcess, free_ports, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_site import (
    App,
    Line,
    Sidecar,
    calling,
    echo,
    register,
    speak,
    write_entry,
)
from tests.system.mesh_traffic import (
    caller,
    explain,
    instances,
    spread,
    wait_all,
    wait_answer,
    wait_done,
)

pytestmark = pytest.mark.system

# The design's time from a check's result to traffic that knows it; two busy cores may double it.
DROP_MAX_S = 2.0


def with_check(name: str, **more: Any) -> dict[str, Any]:
    """An instance with a check of its own that tests set."""
    return {"checks": [ttl_check(name)], **more}


def ttl_check(name: str) -> dict[str, Any]:
    return {"Name": name, "CheckID": name, "TTL": "600s", "Status": "passing"}


def set_check(agent: AgentProcess, check: str, how: str) -> None:
    """``pass``, ``warn`` or ``fail``."""
    agent.put_ok(f"/v1/agent/check/{how}/{check}")


def test_a_critical_instance_is_dropped_at_once_and_comes_back(mesh_agents: Cluster) -> None:
    checked = [with_check(f"drop-{number}") for number in range(2)]
    with instances(mesh_agents, "drop-back", *checked) as apps:
        front = caller(mesh_agents, "drop-front", "drop-back")
        wait_all(front, "drop-back", apps)
        home = mesh_agents.agents[1]

        with calling(front.upstreams["drop-back"]) as tally:
            wait_until(lambda: tally.outcomes["200"] > 20, what="calls")
            began = time.monotonic()
            set_check(home, "drop-1", "fail")
            wait_all(front, "drop-back", apps[:1])
            assert time.monotonic() - began < DROP_MAX_S
            assert {apps[0].name} == explain(front.agent, "drop-front", "drop-back").instances

            set_check(home, "drop-1", "pass")
            wait_all(front, "drop-back", apps)
        assert {"200"} == set(tally.outcomes), tally.failures


def test_failover_goes_to_the_other_subset_and_back(mesh_agents: Cluster) -> None:
    versions = [with_check(f"over-{n}", meta={"version": str(n)}) for n in range(2)]
    with instances(mesh_agents, "over-back", *versions) as apps:
        resolver = {
            "Subsets": {f"v{n}": {"Filter": f"Service.Meta.version == {n}"} for n in range(2)},
            "DefaultSubset": "v0",
            "Failover": {"v0": {"ServiceSubset": "v1"}},
        }
        write_entry(mesh_agents.server, "service-resolver", "over-back", **resolver)
        front = caller(mesh_agents, "over-front", "over-back")
        wait_all(front, "over-back", apps[:1])

        set_check(mesh_agents.server, "over-0", "fail")
        wait_all(front, "over-back", apps[1:])

        assert {apps[1].name} == explain(front.agent, "over-front", "over-back").instances
        set_check(mesh_agents.server, "over-0", "pass")
        wait_all(front, "over-back", apps[:1])
        assert {apps[0].name} == explain(front.agent, "over-front", "over-back").instances


def test_failover_goes_to_another_service(mesh_agents: Cluster) -> None:
    with (
        instances(mesh_agents, "main-back", with_check("main-0")) as main,
        instances(mesh_agents, "spare-back", {}) as spare,
    ):
        failover = {"*": {"Targets": [{"Service": "spare-back"}]}}
        write_entry(mesh_agents.server, "service-resolver", "main-back", Failover=failover)
        front = caller(mesh_agents, "spare-front", "main-back")
        wait_all(front, "main-back", main)

        set_check(mesh_agents.server, "main-0", "fail")

        wait_all(front, "main-back", spare)
        assert {spare[0].name} == explain(front.agent, "spare-front", "main-back").instances


def test_a_warning_keeps_instances_out_of_what_only_passes(mesh_agents: Cluster) -> None:
    checked = [with_check(f"warn-{number}") for number in range(2)]
    with instances(mesh_agents, "warn-back", *checked) as apps:
        front = caller(mesh_agents, "warn-front", "warn-back")
        wait_all(front, "warn-back", apps)

        set_check(mesh_agents.agents[1], "warn-1", "warn")
        strict = {"Subsets": {"strict": {"OnlyPassing": True}}, "DefaultSubset": "strict"}
        wait_until(lambda: warned(front), what="the warning")
        wait_all(front, "warn-back", apps)
        write_entry(mesh_agents.server, "service-resolver", "warn-back", **strict)

        wait_all(front, "warn-back", apps[:1])
        assert {apps[0].name} == explain(front.agent, "warn-front", "warn-back").instances


def warned(front: Sidecar) -> bool:
    rows = front.agent.get("/v1/health/connect/warn-back").json
    return any(check["Status"] == "warning" for row in rows for check in row["Checks"])


def test_an_instance_that_fails_is_set_aside_and_taken_back(mesh_agents: Cluster) -> None:
    health = {
        "interval": "500ms",
        "max_failures": 3,
        "max_ejection_percent": 100,
        "base_ejection_time": "2s",
    }
    upstream = {"DestinationName": "eject-back", "Config": {"passive_health_check": health}}
    with instances(mesh_agents, "eject-back", {}, {}) as apps:
        front = caller(mesh_agents, "eject-front", upstream)
        wait_all(front, "eject-back", apps)
        port = front.upstreams["eject-back"]
        apps[1].status = 500

        failed = spread(port, 20, connections=1)
        before = apps[1].count
        aside = spread(port, 50, connections=2)

        assert 3 == failed["500"]
        assert ({apps[0].name: 50}, before) == (dict(aside), apps[1].count)
        apps[1].status = 200
        wait_all(front, "eject-back", apps)


@contextmanager
def retrying(
    agents: Cluster, name: str, count: int, config: Any = None, **destination: Any
) -> Iterator[tuple[Sidecar, list[App]]]:
    """A caller whose requests to ``count`` instances are retried; nobody is ever set aside."""
    back = f"{name}-back"
    settings = {"passive_health_check": {"enforcing_consecutive_5xx": 0}, **(config or {})}
    with instances(agents, back, *({} for _ in range(count))) as apps:
        route = {"Destination": destination}
        write_entry(agents.server, "service-router", back, Routes=[route])
        front = caller(agents, f"{name}-front", {"DestinationName": back, "Config": settings})
        wait_all(front, back, apps)

        def told() -> bool:
            with suppress(AssertionError, KeyError):
                return bool(explain(front.agent, front.service, back).route.get("Retries"))
            return False

        wait_until(told, what="the retries")
        yield front, apps


def test_a_request_is_retried_on_another_instance_but_a_post_never(mesh_agents: Cluster) -> None:
    policy = {"NumRetries": 2, "RetryOn": ["5xx"]}
    budget = {"retry_budget": {"percent": 100, "min_per_second": 1000}}
    with retrying(mesh_agents, "again", 2, budget, **policy) as (front, apps):
        port = front.upstreams["again-back"]
        apps[0].status = 503

        gets = spread(port, 60)
        failing = apps[0].requests["GET", "/"]
        posts = [front.call("again-back", "/p", method="POST", body=b"x") for _ in range(20)]

        assert {apps[1].name: 60} == dict(gets)
        assert failing > 10, "the failing one was asked first by some"
        assert {200, 503} == {answer.status for answer in posts}
        assert 20 == sum(each.requests["POST", "/p"] for each in apps)
        retries = explain(front.agent, "again-front", "again-back").route["Retries"]
        assert (2, ["5xx"]) == (retries["Count"], retries["On"])


def test_a_failing_backend_gets_no_more_than_the_budget_of_retries(mesh_agents: Cluster) -> None:
    policy = {"NumRetries": 3, "RetryOn": ["5xx"]}
    budget = {"retry_budget": {"percent": 20, "min_per_second": 0}}
    with retrying(mesh_agents, "budget", 1, budget, **policy) as (front, apps):
        apps[0].status = 500
        before = apps[0].count

        served = spread(front.upstreams["budget-back"], 500, connections=10)

        assert {"500": 500} == dict(served)
        seen = apps[0].count - before
        assert 500 < seen <= 500 * 1.2, "some retries, and no more than a fifth"


def test_an_instance_that_hangs_is_given_up_and_another_one_is_tried(mesh_agents: Cluster) -> None:
    policy = {"NumRetries": 1, "RetryOn": ["5xx"], "PerTryTimeout": "300ms"}
    with retrying(mesh_agents, "hang", 2, **policy) as (front, apps):
        apps[0].delay_s = 2.0
        asked = apps[0].count

        for _ in range(4):
            began = time.monotonic()
            answer = front.call("hang-back")
            assert (200, apps[1].name) == (answer.status, answer.served_by)
            assert time.monotonic() - began < 1.5

        assert apps[0].count > asked, "it was tried first by some"


def test_no_call_fails_while_instances_come_and_go(mesh_agents: Cluster) -> None:
    with instances(mesh_agents, "turn-back", *({"is_checked": True} for _ in range(3))) as apps:
        front = caller(mesh_agents, "turn-front", "turn-back")
        wait_all(front, "turn-back", apps)
        port = front.upstreams["turn-back"]

        with calling(port, method="POST") as posts, calling(port) as gets:
            for number in (1, 2, 1):
                agent = mesh_agents.agents[number]
                agent.put_ok(f"/v1/agent/service/deregister/{apps[number].name}")
                wait_all(front, "turn-back", [a for a in apps if a is not apps[number]])
                port_again = apps[number].port
                register(
                    agent, "turn-back", port_again, instance=apps[number].name, is_checked=True
                )
                wait_all(front, "turn-back", apps)

        assert {"200"} == set(gets.outcomes), gets.failures
        assert {"200"} == set(posts.outcomes), posts.failures


def test_streams_of_bytes_go_to_the_failover_too(mesh_agents: Cluster) -> None:
    server, one, two = mesh_agents.agents
    with echo(b"main") as main, echo(b"help") as help_port:
        register(two, "raw-main", main, checks=[ttl_check("raw-main")])
        register(server, "raw-help", help_port)
        failover = {"*": {"Service": "raw-help"}}
        write_entry(server, "service-resolver", "raw-main", Failover=failover)
        front = register(one, "raw-front", 1, upstreams=["raw-main"])

        def wait_greeting(expected: bytes) -> None:
            def check() -> None:
                with Line(front.upstreams["raw-main"]) as line:
                    assert line.ask(b"abcd") == expected

            wait_done(check)

        wait_greeting(b"main")
        set_check(two, "raw-main", "fail")
        wait_greeting(b"help")
        assert {"raw-help"} == explain(one, "raw-front", "raw-main").instances
        set_check(two, "raw-main", "pass")
        wait_greeting(b"main")


def test_an_instance_that_nobody_serves_costs_no_request(mesh_agents: Cluster) -> None:
    unserved = {"config": {"proconsul_managed": False}}
    with instances(mesh_agents, "half-dead", {}, unserved) as apps:
        front = caller(mesh_agents, "half-dead-front", "half-dead")
        front.wait_reach("half-dead")
        names = {each.name for each in apps}
        wait_until(
            lambda: explain(front.agent, "half-dead-front", "half-dead").instances == names,
            what="both instances",
        )

        gets = spread(front.upstreams["half-dead"], 40)
        posts = [front.call("half-dead", "/p", method="POST", body=b"x") for _ in range(20)]

        assert {apps[0].name: 40} == dict(gets)
        assert {200} == {answer.status for answer in posts}
        assert 20 == apps[0].requests["POST", "/p"]


def test_a_dead_application_is_503_and_explain_still_names_it(mesh_agents: Cluster) -> None:
    (nobody,) = free_ports(1)
    speak(mesh_agents.server, "http", "dead-back")
    register(mesh_agents.clients["two"], "dead-back", nobody)
    front = caller(mesh_agents, "dead-front", "dead-back")

    wait_answer(front, "dead-back", lambda answer: answer.status == 503)

    assert {"dead-back"} == explain(front.agent, "dead-front", "dead-back").instances
