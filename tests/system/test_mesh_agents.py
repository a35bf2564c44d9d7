"""What callers notice while agents and their workers end, restart, are replaced, or leave.

A server that restarts is in ``test_mesh_restart``.
Source: istio/istio#33072; hashicorp/consul#8304.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until
from tests.system.cluster import Cluster, run_leave, wait_exit
from tests.system.mesh_load import flawless, later
from tests.system.mesh_site import (
    App,
    Line,
    Sidecar,
    app,
    echo,
    intend,
    register,
    speak,
)
from tests.system.mesh_traffic import spread, wait_answer

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SLOW_S = 6.0  # longer than a goodbye, shorter than the time to drain
DRAIN_S = 10


def workers_of(agent: AgentProcess) -> set[int]:
    """The workers that are fed by an agent with a data directory, whoever started them."""
    assert agent.data_dir is not None
    feed = os.fsencode(agent.data_dir / "mesh" / "feed.sock")
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and feed in (entry / "cmdline").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found


class Site:
    """``front`` on agent ``near`` calls ``back`` on agent ``far``, over HTTP and TCP."""

    def __init__(self, start_agent: AgentStarter, back: App, echo_port: int) -> None:
        self.cluster = Cluster(start_agent)
        drain = f'-hcl=proxy {{ drain_time = "{DRAIN_S}s" }}'
        self.near = self.cluster.client("near", drain)
        self.far = self.cluster.client("far", drain)
        self.app = back
        speak(self.cluster.server, "http", "back")
        self.back = register(self.far, "back", back.port)
        register(self.far, "echo", echo_port)
        self.front: Sidecar = register(self.near, "front", 1, upstreams=["back", "echo"])
        self.front.wait_reach("back")
        wait_until(self.echoes, timeout_s=30.0, what="front reaches echo")

    @property
    def port(self) -> int:
        return self.front.upstreams["back"]

    def line(self) -> Line:
        return Line(self.front.upstreams["echo"])

    def echoes(self) -> bool:
        with suppress(OSError), self.line() as line:
            return line.ask(b"x") == b"x"
        return False

    def wait_both(self) -> None:
        """Return once ``back`` and ``other`` serve."""
        both = {"back", "other"}
        wait_until(lambda: both == set(spread(self.port, 20)), timeout_s=30.0, what="both serve")

    def assert_obeys(self) -> None:
        """The proxies are still told what changes."""
        intend(self.cluster.server, "front", "back", "deny")
        wait_until(lambda: self.front.call("back").status == 403, what="the denial")


@pytest.fixture
def site(start_agent: AgentStarter) -> Iterator[Site]:
    with app("back") as back, echo() as echo_port:
        yield Site(start_agent, back, echo_port)


def test_no_call_fails_while_workers_are_replaced(site: Site) -> None:
    agents = (site.near, site.far)
    old = [workers_of(agent) for agent in agents]
    with site.line() as line, flawless(site.port):
        assert b"before" == line.ask(b"before")
        said = [agent.run("mesh", "upgrade") for agent in agents]

        assert [0, 0] == [done.returncode for done in said], said
        assert b"after" == line.ask(b"after")
        new = [workers_of(agent) - gone for agent, gone in zip(agents, old, strict=True)]
        for (process,), done in zip(new, said, strict=True):
            assert str(process) in done.stdout.decode()
    site.assert_obeys()
    for agent, present in zip(agents, new, strict=True):
        wait_until(
            lambda agent=agent, present=present: workers_of(agent) == present,  # type: ignore[misc]  # bound at once
            what="the older worker ends",
        )


@pytest.mark.parametrize("how", ["killed", "terminated"])
def test_no_call_fails_while_a_callers_agent_restarts(site: Site, how: str) -> None:
    before = workers_of(site.near)
    with site.line() as line, flawless(site.port) as load:
        assert b"before" == line.ask(b"before")
        if how == "killed":
            site.near.kill()
        else:
            site.near.stop()
        load.wait_more()
        site.near.restart()
        load.wait_more()
        assert b"after" == line.ask(b"after")
    assert before == workers_of(site.near)
    site.assert_obeys()


def test_no_call_fails_while_an_instances_agent_is_killed_and_restarts(site: Site) -> None:
    """It is missed after a while; another instance serves then, and both do at last."""
    before = workers_of(site.far)
    with app("other") as other, flawless(site.port) as load:
        register(site.near, "back", other.port, instance="other", is_checked=True)
        site.wait_both()
        site.far.kill()
        load.wait_more()
        site.cluster.wait_node("far", "critical")
        load.wait_more()
        site.far.restart()
        site.wait_both()
    assert before == workers_of(site.far)


def test_a_node_that_leaves_drains_and_ends_its_workers(site: Site) -> None:
    workers = workers_of(site.far)
    assert workers
    with app("other") as other, flawless(site.port):
        register(site.near, "back", other.port, instance="other", is_checked=True)
        site.wait_both()
        site.app.delay_s = SLOW_S
        slow = [later(lambda: site.front.call("back", "/slow")) for _ in range(4)]
        wait_until(lambda: site.app.requests["GET", "/slow"], what="slow requests have come")
        site.app.delay_s = 0.0

        run_leave(site.far)
        assert 0 == wait_exit(site.far)

        assert [200] * 4 == [take().status for take in slow]
        assert {"other"} == set(spread(site.port, 20))
    assert not workers_of(site.far)


def test_proxies_go_on_without_a_server(site: Site) -> None:
    """They enforce what they know, through a restart of their agents too."""
    with ExitStack() as stack:
        denied = register(site.near, "denied", 1, upstreams=["back"])
        intend(site.cluster.server, "denied", "back", "deny")
        wait_answer(denied, "back", lambda answer: answer.status == 403)
        line = stack.enter_context(site.line())
        load = stack.enter_context(flawless(site.port))

        site.cluster.server.kill()
        load.wait_more()
        assert b"on" == line.ask(b"on")
        assert 403 == denied.call("back").status
        for agent in (site.near, site.far):
            agent.kill()
            agent.spawn()
            wait_until(lambda agent=agent: answers(agent), timeout_s=30.0, what="its API")
            load.wait_more()
        assert b"still" == line.ask(b"still")
        assert 403 == denied.call("back").status


def answers(agent: AgentProcess) -> bool:
    """Whether an agent's API is there, with or without servers behind it."""
    with suppress(OSError):
        return agent.get("/v1/agent/self").status == 200
    return False


def test_a_dev_agent_that_is_told_to_leave_ends_its_workers(start_agent: AgentStarter) -> None:
    with app("back") as back:
        agent = start_agent()
        speak(agent, "http", "back")
        register(agent, "back", back.port)
        front = register(agent, "front", 1, upstreams=["back"])
        front.wait_reach("back")

        run_leave(agent)

        assert 0 == wait_exit(agent)
        with pytest.raises(ConnectionRefusedError):
            front.call("back")
