"""What an agent with a data directory keeps through crashes, clean ends and a rival."""

import contextlib
import http.client
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.agent_process import READY_WAIT_S, AgentProcess, AgentStarter, wait_until

pytestmark = pytest.mark.system

WRITERS = 8
# Enough acknowledged writes that the crash falls between many of them.
WRITES_BEFORE_CRASH = 200
StartDurable = Callable[[], AgentProcess]


def durable(directory: Path) -> tuple[str, ...]:
    """Options of a single server with its state on disk."""
    return (
        "-server",
        "-bootstrap-expect=1",
        "-bind=127.0.0.1",
        "-node=durable",
        f"-data-dir={directory}",
    )


@pytest.fixture
def start_durable(start_agent: AgentStarter, tmp_path: Path) -> StartDurable:
    """Start a server on this test's one data directory."""
    return lambda: start_agent(*durable(tmp_path / "state"), dev=False)


class Writer(threading.Thread):
    """Puts numbered keys on one connection until the agent is gone; keeps what was acknowledged."""

    def __init__(self, agent: AgentProcess, name: str) -> None:
        super().__init__(name=name)
        self.address = agent.http_address
        self.acknowledged: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException):
            number = 0
            while True:
                key = f"durable/{self.name}/{number}"
                connection.request("PUT", f"/v1/kv/{key}", body=key.encode())
                answer = connection.getresponse()
                if answer.read().strip() == b"true":
                    self.acknowledged.append(key)
                number += 1
        connection.close()


@pytest.mark.parametrize("crash", range(2))
def test_every_acknowledged_write_survives_kill_9(start_durable: StartDurable, crash: int) -> None:
    agent = start_durable()
    writers = [Writer(agent, f"crash-{crash}-writer-{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    wait_until(
        lambda: sum(len(writer.acknowledged) for writer in writers) >= WRITES_BEFORE_CRASH,
        timeout_s=30,
        pause_s=0.005,
        what="enough acknowledged writes",
    )

    agent.kill()
    for writer in writers:
        writer.join()
    agent.restart()

    stored = set(agent.get("/v1/kv/durable/?keys").json)
    acknowledged = {key for writer in writers for key in writer.acknowledged}
    assert acknowledged - stored == set()
    sample = sorted(acknowledged)[:: max(1, len(acknowledged) // 20)]
    assert {key: key for key in sample} == {
        key: agent.get(f"/v1/kv/{key}?raw").text for key in sample
    }


def test_second_agent_on_the_same_data_directory_is_refused(
    start_durable: StartDurable, start_agent: AgentStarter, tmp_path: Path
) -> None:
    first = start_durable()
    second = start_agent.make(*durable(tmp_path / "state"), dev=False)

    with pytest.raises(RuntimeError, match=r"ended with status [1-9]"):
        second.start()

    assert "state" in second.log_tail(), "the refusal names the directory"
    assert "Traceback" not in second.log_tail()
    assert first.put_ok("/v1/kv/still-works", "x").json is True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_agent_cleanly_and_state_stays(
    start_durable: StartDurable, how: signal.Signals
) -> None:
    agent = start_durable()
    agent.put_ok("/v1/kv/kept", "x")
    node_id = agent.get("/v1/agent/self").json["Config"]["NodeID"]

    status = agent.stop(how)
    log = agent.log_tail()
    agent.restart()

    assert status in (0, 1), "ended by itself, not by the signal"
    assert "Traceback" not in log
    assert agent.get("/v1/kv/kept?raw").text == "x"
    assert agent.get("/v1/agent/self").json["Config"]["NodeID"] == node_id


def test_registrations_survive_kill_9(start_durable: StartDurable) -> None:
    agent = start_durable()
    agent.put_ok("/v1/agent/service/register", {"Name": "kept", "Port": 1, "Check": {"TTL": "1h"}})
    agent.put_ok("/v1/agent/check/pass/service:kept")
    session = agent.put_ok("/v1/session/create", {"Name": "kept"}).json["ID"]

    agent.kill()
    agent.restart()

    assert agent.get("/v1/agent/services").json["kept"]["Port"] == 1
    assert agent.get("/v1/agent/checks").json["service:kept"]["Status"] == "passing"
    assert [row["Name"] for row in agent.get(f"/v1/session/info/{session}").json] == ["kept"]


def test_sigterm_ends_a_dev_agent_with_open_blocking_queries(start_agent: AgentStarter) -> None:
    agent = start_agent()
    index = agent.get("/v1/catalog/nodes").index
    waiter = threading.Thread(target=ignore_disconnect, args=(agent, index))
    waiter.start()

    began = time.monotonic()
    status = agent.stop()
    waiter.join()

    assert status in (0, 1)
    assert time.monotonic() - began < 10


def ignore_disconnect(agent: AgentProcess, index: int) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        agent.get(f"/v1/catalog/nodes?index={index}&wait=60s", timeout_s=30)


def test_start_to_first_answer_is_measured(start_agent: AgentStarter) -> None:
    agent = start_agent.make()
    began = time.monotonic()
    agent.start()

    print(f"start to first answer: {time.monotonic() - began:.2f} s")
    assert agent.is_running()


def test_port_in_use_is_told_in_one_line(start_agent: AgentStarter) -> None:
    first = start_agent()
    second = start_agent.make()
    second.ports = dict(first.ports)

    second.spawn()
    assert second.process is not None
    status = second.process.wait(timeout=READY_WAIT_S)
    second.process = None

    assert status == 1
    assert str(first.ports["http"]) in second.log_tail()
    assert "Traceback" not in second.log_tail()
