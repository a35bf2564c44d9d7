"""Fixtures that start real agents, and their logs beside a failure."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.system.agent_process import AgentProcess, AgentStarter
from tests.system.cluster import Cluster

# The same examples on every run: a search for new ones belongs to a person who watches it
# (HYPOTHESIS_PROFILE=search), not to whoever changes something else. Machines differ in speed.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[AgentStarter]:
    """Start agents of this test alone: `start_agent("-node=a")`, `dev=False` for a data dir."""
    starter = AgentStarter(tmp_path)
    try:
        yield starter
    finally:
        starter.end_all()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """A dev agent named node-a in dc1 that the tests of a module share; use names of your own."""
    starter = AgentStarter(tmp_path_factory.mktemp("shared"))
    try:
        yield starter("-node=node-a", "-datacenter=dc1")
    finally:
        starter.end_all()


@pytest.fixture(scope="module")
def mesh_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server and two clients, `one` and `two`, that a module shares; use services of your own."""
    starter = AgentStarter(tmp_path_factory.mktemp("mesh"))
    try:
        cluster = Cluster(starter)
        for name in ("one", "two"):
            cluster.client(name)
        yield cluster
    finally:
        starter.end_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the agents' last log lines to a failed test's report."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for process in agents_of(value):
                text = f"{process.state()}\n{process.log_tail()}"
                report.sections.append(("agent log", text))
    return report


def agents_of(fixture: object) -> list[AgentProcess]:
    """The agents that a fixture's value stands for."""
    match fixture:
        case AgentProcess():
            return [fixture]
        case Cluster():
            return fixture.agents
        case AgentStarter():
            return fixture.processes
        case _:
            return []
