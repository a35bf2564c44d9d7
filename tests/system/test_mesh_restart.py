"""What becomes of traffic when an agent or its worker ends: real agents, real workers."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until
from tests.system.mesh_site import App, Line, Sidecar, app, calling, echo, register, speak

pytestmark = pytest.mark.system

CALLS_MIN = 25  # enough to meet every moment of a restart


def workers_of(agent: AgentProcess) -> list[int]:
    """The worker processes that this agent started."""
    assert agent.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and is_worker(entry, agent.process.pid):
                found.append(int(entry.name))
    return found


def is_worker(entry: Path, parent: int) -> bool:
    words = (entry / "cmdline").read_bytes().split(b"\0")
    started_by = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return b"proxy" in words and b"--feed" in words and started_by == parent


def is_alive(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Site:
    """``front`` calls ``back`` on one agent; ``worker`` carries both sidecars."""

    def __init__(self, agent: AgentProcess, back_port: int, protocol: str) -> None:
        self.agent = agent
        speak(agent, protocol, "back", "front")
        register(agent, "back", back_port)
        self.front = register(agent, "front", 1, upstreams=["back"])

    @property
    def port(self) -> int:
        return self.front.upstreams["back"]

    def wait_worker(self) -> int:
        (worker,) = wait_until(lambda: workers_of(self.agent), what="a worker")
        return worker


@contextmanager
def ending(site: Site) -> Iterator[int]:
    """The worker, which does not outlive the test."""
    worker = site.wait_worker()
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


@pytest.fixture
def back() -> Iterator[App]:
    with app("back") as made:
        yield made


def kept_agent(start_agent: AgentStarter, tmp_path: Path) -> AgentProcess:
    """A server with a data directory."""
    arguments = (
        "-server",
        "-bootstrap-expect=1",
        "-bind=127.0.0.1",
        f"-data-dir={tmp_path / 'data'}",
        "-hcl=connect { enabled = true }",
    )
    return start_agent(*arguments, dev=False)


def wait_calls(site: Site, count: int) -> None:
    """Wait until so many more calls came back well."""
    for _ in range(count):
        assert 200 == site.front.call("back").status


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_no_call_fails_while_an_agent_is_restarted(
    start_agent: AgentStarter, tmp_path: Path, back: App, how: str
) -> None:
    site = Site(kept_agent(start_agent, tmp_path), back.port, "http")
    site.front.wait_reach("back")
    with ending(site) as worker, calling(site.port) as tally:
        wait_calls(site, CALLS_MIN)

        if how == "killed":
            site.agent.kill()
        else:
            site.agent.stop(signal.SIGTERM)
        wait_calls(site, CALLS_MIN)
        site.agent.restart()
        wait_calls(site, CALLS_MIN)

        assert is_alive(worker)
        denial = {"SourceType": "consul", "Action": "deny"}
        path = "/v1/connect/intentions/exact?source=front&destination=back"
        assert {"200": tally.outcomes["200"]} == dict(tally.outcomes), tally.failures
        site.agent.put_ok(path, denial)
        wait_until(lambda: site.front.call("back").status == 403, what="the denial")


def test_a_worker_that_is_killed_is_back_soon(start_agent: AgentStarter, back: App) -> None:
    site = Site(start_agent(), back.port, "http")
    site.front.wait_reach("back")
    worker = site.wait_worker()

    os.kill(worker, signal.SIGKILL)

    wait_until(lambda: not is_alive(worker), what="its end")
    site.front.wait_reach("back")
    assert worker != site.wait_worker()


def test_the_worker_of_a_dev_agent_ends_with_it(start_agent: AgentStarter) -> None:
    with echo() as port:
        site = Site(start_agent(), port, "tcp")
        worker = site.wait_worker()

        site.agent.kill()

        wait_until(lambda: not is_alive(worker), timeout_s=20.0, what="its end")


def test_a_stream_outlives_its_agent(start_agent: AgentStarter, tmp_path: Path) -> None:
    with echo() as port:
        site = Site(kept_agent(start_agent, tmp_path), port, "tcp")
        wait_until(lambda: reaches(site.front), timeout_s=30.0, what="front reaches back")
        with ending(site), Line(site.port) as line:
            assert b"before" == line.ask(b"before")
            site.agent.kill()
            assert b"without" == line.ask(b"without")
            site.agent.restart()
            assert b"after" == line.ask(b"after")


def reaches(front: Sidecar) -> bool:
    with suppress(OSError), Line(front.upstreams["back"]) as line:
        return line.ask(b"x") == b"x"
    return False
