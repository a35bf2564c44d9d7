"""The agent's side of exec: what it reads, runs and writes, and when it gives up."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from agent import remote_exec as module
from agent.membership.events import EventRing, UserEvent
from agent.remote_exec import Job, RemoteExec
from agent.rpc.endpoints.kv import KvApply, KvGet
from agent.rpc.endpoints.session import SessionGet
from agent.rpc.request import Reply, Request
from agent.tasks import Tasks
from catalog.commands import KvVerb
from catalog.duration import MILLISECOND, SECOND
from catalog.errors import Invalid
from catalog.rows.kv import KeyValue
from catalog.rows.session import Session
from tests.agent.local.fakes import Half

SESSION = "b54fe110-7af5-cafc-d1fb-afc8ba432b1c"
ROOT = f"_rexec/{SESSION}"


class Servers:
    """Keys that one session may lock, until it ends. Only it sees what nodes write."""

    def __init__(self) -> None:
        self.pairs: dict[str, bytes] = {}
        self.written: asyncio.Queue[str] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.takes_writes = True
        self.tokens: set[str] = set()

    async def call(self, request: Request) -> Reply:
        self.tokens.add(request.token)
        match request:
            case KvGet(key=key):
                value = self.pairs.get(key)
                return Reply(value=value and KeyValue(key=key, value=value))
            case KvApply(operation=operation):
                assert (operation.verb, operation.session) == (KvVerb.LOCK, SESSION)
                if self.ended.is_set():
                    raise Invalid("invalid session")
                if self.takes_writes:
                    self.pairs[operation.key] = operation.value
                    self.written.put_nowait(operation.key.removeprefix(f"{ROOT}/n1/"))
                return Reply(value=self.takes_writes)
            case SessionGet(id=session_id, min_index=index):
                if index:
                    await self.ended.wait()
                gone = self.ended.is_set()
                row = None if gone else Session(id=session_id, node="n1")
                return Reply(value=row, index=index + 1)
            case _:
                raise AssertionError(request)


class Stage:
    def __init__(self) -> None:
        self.servers, self.ring, self.tasks = Servers(), EventRing(), Tasks()
        self.remote_exec = RemoteExec(
            node="n1", router=self.servers, tasks=self.tasks, rng=Half(), token=lambda: "secret"
        )

    def ask(self, enabled: bool = True, **job) -> None:
        """Put a job and fire its event."""
        self.servers.pairs[f"{ROOT}/job"] = json.dumps(job).encode()
        self.remote_exec.start(self.ring, enabled=enabled)
        payload = json.dumps({"Prefix": "_rexec", "Session": SESSION}).encode()
        self.ring.receive(UserEvent(id="1", name="_rexec", payload=payload))

    async def until(self, name: str) -> list[str]:
        """Names of the keys written up to this one."""
        names: list[str] = []
        async with asyncio.timeout(10):
            while name not in names:
                names.append(await self.servers.written.get())
        return names

    def answer(self, name: str) -> bytes:
        return self.servers.pairs[f"{ROOT}/n1/{name}"]

    def output(self) -> bytes:
        pieces = {key: value for key, value in self.servers.pairs.items() if "/out/" in key}
        return b"".join(pieces[key] for key in sorted(pieces))

    async def until_idle(self) -> None:
        async with asyncio.timeout(10):
            while running := [
                task for task in asyncio.all_tasks() if "remote exec" in task.get_name()
            ]:
                await asyncio.wait(running)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.tasks.close()


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


async def test_a_command_is_acknowledged_run_and_answered(stage):
    stage.ask(Args=shell("echo out; echo bad >&2; exit 3"), Wait=SECOND)

    names = await stage.until("exit")

    assert (names[0], names[-1]) == ("ack", "exit")
    assert (stage.answer("ack"), stage.output(), stage.answer("exit")) == (b"", b"out\nbad\n", b"3")
    assert stage.servers.tokens == {"secret"}


async def test_the_event_is_no_event_of_users(stage):
    stage.ask(Args=["true"])
    await stage.until("exit")

    assert stage.ring.list("") == []


@pytest.mark.parametrize(
    ("script", "output"),
    [("#!/bin/sh\necho a $0 | cut -c1", b"a\n"), ("echo b", b"b\n")],
)
async def test_a_script_runs_by_its_first_line_or_in_the_shell(stage, script, output):
    stage.ask(Script=base64.b64encode(script.encode()).decode())
    await stage.until("exit")

    assert (stage.output(), stage.answer("exit")) == (output, b"0")


async def test_a_plain_command_runs_in_the_shell(stage):
    stage.ask(Command="echo $((1 + 1))", Args=None, Script=None)
    await stage.until("exit")

    assert stage.output() == b"2\n"


async def test_silence_is_broken_by_empty_output(stage):
    stage.ask(Args=shell("exec sleep 600"), Wait=100 * MILLISECOND)

    await stage.until("out/00001")

    assert stage.output() == b""


async def test_large_output_arrives_whole_and_in_order(stage):
    stage.ask(Args=shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"))
    await stage.until("exit")

    assert stage.output() == b"".join(b"line %d\n" % number for number in range(2000))
    assert max(map(len, stage.servers.pairs.values())) <= module.CHUNK_BYTES_MAX


async def test_endless_output_is_cut(stage, monkeypatch):
    monkeypatch.setattr(module, "OUTPUT_BYTES_MAX", 10_000)
    monkeypatch.setattr(module, "BUFFER_BYTES_MAX", 5_000)
    stage.ask(Args=shell("head -c 300000 /dev/zero; exit 1"))
    await stage.until("exit")

    output = stage.output()
    assert output[:10_000] == bytes(10_000)
    assert output[10_000:] == b"\n(output cut after 10000 bytes)\n"
    assert stage.answer("exit") == b"1"


async def test_the_command_ends_with_the_session(stage, tmp_path: Path):
    target = tmp_path / "ended"
    stage.ask(
        Args=shell(f"trap 'echo x > {target}; exit' TERM; echo up; while :; do sleep 0.05; done"),
        Wait=60 * SECOND,
    )
    await stage.until("out/00000")

    stage.servers.ended.set()
    await stage.until_idle()

    assert target.read_text() == "x\n"
    assert f"{ROOT}/n1/exit" not in stage.servers.pairs


async def test_the_command_ends_when_its_answers_are_refused(stage):
    stage.ask(Args=shell("exec sleep 600"), Wait=100 * MILLISECOND)
    await stage.until("ack")

    stage.servers.takes_writes = False
    await stage.until_idle()

    assert f"{ROOT}/n1/exit" not in stage.servers.pairs


async def test_a_command_that_cannot_start_says_why(stage):
    stage.ask(Args=["no-such-command-anywhere"])
    await stage.until("exit")

    assert b"Failed to start: " in stage.output()
    assert stage.answer("exit") == b"255"


async def test_disabled_it_only_says_so(stage):
    with structlog.testing.capture_logs() as entries:
        stage.ask(enabled=False, Args=["true"])

    assert [entry["event"] for entry in entries] == ["remote exec is disabled"]
    assert stage.ring.list("") == []


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"Prefix":"a"}', b'{"Prefix":"_rexec","Session":"x"}']
)
async def test_payloads_that_are_not_understood_are_dropped(stage, payload):
    stage.remote_exec.start(stage.ring, enabled=True)
    with structlog.testing.capture_logs() as entries:
        stage.ring.receive(UserEvent(id="1", name="_rexec", payload=payload))

    assert [entry["log_level"] for entry in entries] == ["warning"]


@pytest.mark.parametrize("job", [None, b"{", b'{"Args": 3}'])
async def test_a_missing_or_broken_job_is_not_acknowledged(stage, job):
    stage.ask()
    del stage.servers.pairs[f"{ROOT}/job"]
    if job is not None:
        stage.servers.pairs[f"{ROOT}/job"] = job
    await stage.until_idle()

    assert stage.servers.written.empty()


async def test_too_many_commands_at_once_are_left_out(stage, monkeypatch):
    monkeypatch.setattr(module, "JOBS_MAX", 1)
    stage.ask(Args=shell("exec sleep 600"))
    await stage.until("ack")

    with structlog.testing.capture_logs() as entries:
        stage.ask(Args=["true"])

    assert [entry["event"] for entry in entries] == ["too many remote commands"]


@pytest.mark.parametrize(
    ("wait_ns", "heartbeat_s"), [(0, 2.0), (SECOND, 1.0), (1, 0.1), (3600 * SECOND, 60.0)]
)
def test_the_heartbeat_is_what_the_asker_bears_within_bounds(wait_ns, heartbeat_s):
    assert Job(wait=wait_ns).heartbeat_s == heartbeat_s
