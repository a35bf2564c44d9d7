"""Claims about exec: the job, the event, and what nodes answer. Source: surface.md §6."""

import base64
import json
import threading

import pytest

from tests.agent.cli.fake_agent import Answer, FakeAgent, Request, Row


@pytest.fixture
def node(agent: FakeAgent):
    """Node n1 answers as soon as the event is fired; ``answers`` is what it writes."""
    answers = {"ack": b"", "out/00000": b"hi\nyou\n", "exit": b"0"}
    jobs = []
    answer = agent.answer

    def fired(request: Request) -> Answer:
        if not request.path.startswith("/v1/event/fire/"):
            return answer(request)
        message = json.loads(request.body)
        root = f"{message['Prefix']}/{message['Session']}"
        jobs.append(json.loads(agent.rows[f"{root}/job"].value))
        with agent.changed:
            for name, value in answers.items():
                agent.rows[f"{root}/n1/{name}"] = Row(value, 0, message["Session"], 1, 1)
            agent.touch()
        return Answer(body=b'{"ID": "e1"}')

    agent.answer = fired  # type: ignore[method-assign]
    return agent, answers, jobs


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr("tests.agent.cli.fake_agent.BLOCK_S_MAX", 0.1)


def test_output_and_exit_code_of_nodes_are_printed(node, cli):
    agent, _, jobs = node

    result = cli("exec", "-wait-repl=0s", "uptime", "-p")

    assert result.code == 0, result.err
    assert result.out == (
        "    n1: hi\n    n1: you\n==> n1: finished with exit code 0\n"
        "1 / 1 node(s) completed / acknowledged\n"
    )
    assert jobs[0]["Args"] == ["/bin/sh", "-c", "uptime -p"]
    assert jobs[0]["Wait"] == 2 * 10**9
    assert agent.rows == {}
    assert agent.sessions == {}


def test_failure_on_any_node_gives_2(node, cli):
    _, answers, _ = node
    answers["exit"] = b"7"

    assert cli("exec", "-wait-repl=0s", "false").code == 2


def test_script_comes_from_standard_input(node, cli):
    _, _, jobs = node

    cli("exec", "-wait-repl=0s", "-", stdin=b"#!/bin/sh\n")

    assert base64.b64decode(jobs[0]["Script"]) == b"#!/bin/sh\n"


def test_filters_go_into_the_event(node, cli):
    agent, _, _ = node

    cli("exec", "-wait-repl=0s", "-service=web", "-tag=a", "-verbose", "x")

    fired = [request for request in agent.requests if request.path == "/v1/event/fire/_rexec"]
    assert fired[0].query == {"service": "web", "tag": "a"}
    assert cli("exec", "-tag=a", "x").code == 1
    assert cli("exec").code == 1


def test_threads_end_with_the_session(node, cli):
    cli("exec", "-wait-repl=0s", "x")

    names = {thread.name for thread in threading.enumerate()}
    assert "session renewal" not in names
