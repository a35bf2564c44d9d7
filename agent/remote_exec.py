"""The agent's side of ``exec``: runs a command that another host asks for with an event.

    event _rexec {Prefix, Session}
    <prefix>/<session>/job                   read: what to run
    <prefix>/<session>/<node>/ack            written first
    <prefix>/<session>/<node>/out/<number>   written as output comes; empty ones say "still running"
    <prefix>/<session>/<node>/exit           written last: the exit code

All is written with the asker's session as lock: when that ends, so does the command.
Source: Consul, remote exec: the protocol between ``consul exec`` and agents.
"""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from agent.child_process import ChildProcess
from agent.membership.events import EventRing, UserEvent
from agent.rpc.endpoints.kv import KvApply, KvGet
from agent.rpc.endpoints.session import SessionGet
from agent.rpc.follow import Rng, follow
from agent.rpc.request import Reply, Request, RpcError
from agent.tasks import Tasks
from catalog.commands import KvOperation, KvVerb
from catalog.duration import SECOND
from catalog.errors import CatalogError
from catalog.uuids import is_uuid
from raft.errors import RaftError

EVENT_NAME: Final = "_rexec"
JOBS_MAX: Final = 16  # at once; each may be a heavy command
OUTPUT_BYTES_MAX: Final = 4 << 20  # of one command: it is replicated to every server
CHUNK_BYTES_MAX: Final = 4096  # of one key; as Consul
BUFFER_BYTES_MAX: Final = 64 << 10  # output that waits to be written; then the command waits
WRITE_INTERVAL_S: Final = 0.02  # between full chunks: 200 KiB/s from each node
OUTPUT_IDLE_S: Final = 0.5  # a part of a chunk waits so long for more; as Consul
HEARTBEAT_MIN_S: Final = 0.1  # the asker chooses; this bounds the writes
HEARTBEAT_MAX_S: Final = 60.0
HEARTBEAT_S: Final = 2.0  # the command line's default wait
EXIT_NOT_RUN: Final = 255  # as Consul
SHELL: Final = "/bin/sh"
_SCRIPT_MODE: Final = 0o700

_log = structlog.get_logger("agent.exec")


class Invitation(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The event's payload: where the job is."""

    prefix: str
    session: str


class Job(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What to run: ``args`` as they are, else ``script`` from a file, else ``command`` in a shell.

    ``wait`` is how long the asker bears silence, in nanoseconds.
    """

    command: str = ""
    args: tuple[str, ...] | None = None
    script: bytes | None = None
    wait: int = 0

    @property
    def heartbeat_s(self) -> float:
        """After how long a silence something has to be said."""
        asked_s = self.wait / SECOND if self.wait > 0 else HEARTBEAT_S
        return min(max(asked_s, HEARTBEAT_MIN_S), HEARTBEAT_MAX_S)


class Router(Protocol):
    """The one call of agent.rpc.router.Router that is used."""

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""


class SessionEnded(Exception):
    """Whoever asked is gone, or cannot be told any more."""


class RemoteExec:
    """Takes part in ``exec``. ``token`` gives the token that reads jobs and writes answers."""

    def __init__(
        self,
        *,
        node: str,
        router: Router,
        tasks: Tasks,
        rng: Rng,
        token: Callable[[], str],
    ) -> None:
        self._node = node
        self._router = router
        self._tasks = tasks
        self._rng = rng
        self._token = token
        self._running_count = 0

    def start(self, events: EventRing, *, enabled: bool) -> None:
        """Take the events from now on; not ``enabled``, only to say so in the log."""
        events.take(EVENT_NAME, self._invited if enabled else _refuse)

    def _invited(self, event: UserEvent) -> None:
        try:
            invitation = msgspec.json.decode(event.payload, type=Invitation)
        except msgspec.MsgspecError as error:
            _log.warning("remote exec event is not understood", id=event.id, error=str(error))
            return
        if not is_uuid(invitation.session):
            _log.warning("remote exec event names no session", id=event.id)
        elif self._running_count >= JOBS_MAX:
            _log.warning("too many remote commands", id=event.id, limit=JOBS_MAX)
        else:
            self._tasks.start(f"remote exec {event.id}", self._take_part(invitation))

    async def _take_part(self, invitation: Invitation) -> None:
        self._running_count += 1
        answers = Answers(self._node, invitation, self._router, self._token())
        log = _log.bind(session=invitation.session)
        try:
            job = await answers.job()
            if job is None:
                log.warning("remote exec has no job")
                return
            await answers.write("ack", b"")
            code = await self._run(job, invitation.session, answers)
            await answers.write("exit", str(code).encode())
            log.info("remote command ended", exit_code=code)
        except SessionEnded as end:
            log.warning("remote command given up", reason=str(end))
        finally:
            self._running_count -= 1

    async def _run(self, job: Job, session_id: str, answers: "Answers") -> int:
        with tempfile.TemporaryDirectory(prefix="rexec") as directory:
            try:
                arguments = _arguments(job, Path(directory))
                _log.info("remote command", session=session_id, command=arguments)
                output = Output(job, answers)
                child = await ChildProcess.start(arguments, output.hear)
            except (OSError, ValueError) as error:
                await answers.write_output(0, f"Failed to start: {error}\n".encode())
                return EXIT_NOT_RUN
            output.child = child
            exit_code: asyncio.Task[int]
            session = self._tasks.start("remote exec session", self._session_end(session_id))
            exit_code = self._tasks.start("remote exec command", child.wait())
            for task in (session, exit_code):
                task.add_done_callback(lambda _: output.wake.set())
            try:
                await output.upload(is_over=exit_code.done, is_abandoned=session.done)
                return exit_code.result()
            finally:
                session.cancel()
                exit_code.cancel()
                await child.end()

    async def _session_end(self, session_id: str) -> None:
        """Return once the session is gone."""
        token = self._token()

        async def ask(index: int) -> Reply:
            return await self._router.call(SessionGet(id=session_id, token=token, min_index=index))

        async with aclosing(follow("remote exec session", ask, self._rng)) as replies:
            async for reply in replies:
                if reply.value is None:
                    return


class Answers:
    """The keys of one job that concern this node."""

    def __init__(self, node: str, invitation: Invitation, router: Router, token: str) -> None:
        parts = (invitation.prefix.strip("/"), invitation.session)
        self._root = "/".join(part for part in parts if part)
        self._node = node
        self._session = invitation.session
        self._router = router
        self._token = token

    async def job(self) -> Job | None:
        """What to run; None if it is not there or not understood. Raises SessionEnded."""
        request = KvGet(key=f"{self._root}/job", token=self._token)
        try:
            pair = (await self._router.call(request)).value
            return None if pair is None else msgspec.json.decode(pair.value, type=Job)
        except msgspec.MsgspecError as error:
            _log.warning("remote job is not understood", error=str(error))
            return None
        except (CatalogError, RpcError, RaftError) as error:
            raise SessionEnded(str(error)) from None

    async def write(self, name: str, value: bytes) -> None:
        """Write one answer under the asker's lock. Raises SessionEnded."""
        operation = KvOperation(
            verb=KvVerb.LOCK,
            key=f"{self._root}/{self._node}/{name}",
            value=value,
            session=self._session,
        )
        try:
            reply = await self._router.call(KvApply(operation=operation, token=self._token))
        except (CatalogError, RpcError, RaftError) as error:
            raise SessionEnded(str(error)) from None
        if not reply.value:
            raise SessionEnded("the answer could not be written")

    async def write_output(self, number: int, value: bytes) -> None:
        """Write the next piece of output; an empty one is a heartbeat. Raises SessionEnded."""
        await self.write(f"out/{number:05x}", value)


class Output:
    """What a command says, on its way to the asker: bounded in memory, in rate and as a whole."""

    def __init__(self, job: Job, answers: Answers) -> None:
        self.child: ChildProcess | None = None
        self.wake = asyncio.Event()
        self._answers = answers
        self._heartbeat_s = job.heartbeat_s
        self._buffer = bytearray()
        self._heard_bytes = 0
        self._number = 0

    def hear(self, chunk: bytes) -> None:
        """Take what the command said."""
        room = max(0, OUTPUT_BYTES_MAX - self._heard_bytes)
        self._heard_bytes += len(chunk)
        self._buffer += chunk[:room]
        if room and self._heard_bytes > OUTPUT_BYTES_MAX:
            self._buffer += f"\n(output cut after {OUTPUT_BYTES_MAX} bytes)\n".encode()
        if len(self._buffer) >= BUFFER_BYTES_MAX and self.child is not None:
            self.child.pause_output()
        self.wake.set()

    async def upload(
        self, *, is_over: Callable[[], bool], is_abandoned: Callable[[], bool]
    ) -> None:
        """Write all output until the command is over. Raises SessionEnded."""

        def is_ended() -> bool:
            return is_over() or is_abandoned()

        while not (is_over() and not self._buffer):
            await self._until(lambda: bool(self._buffer) or is_ended(), self._heartbeat_s)
            if self._buffer:
                await self._until(
                    lambda: len(self._buffer) >= CHUNK_BYTES_MAX or is_ended(), OUTPUT_IDLE_S
                )
            if is_abandoned():
                raise SessionEnded("the session is gone")
            chunk = bytes(self._buffer[:CHUNK_BYTES_MAX])
            if not chunk and is_over():
                return
            del self._buffer[: len(chunk)]
            await self._answers.write_output(self._number, chunk)
            self._number += 1
            if len(self._buffer) < BUFFER_BYTES_MAX and self.child is not None:
                self.child.resume_output()
            if self._buffer:
                await asyncio.sleep(WRITE_INTERVAL_S)

    async def _until(self, is_ready: Callable[[], bool], limit_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not is_ready():
                    self.wake.clear()
                    await self.wake.wait()


def _refuse(event: UserEvent) -> None:
    _log.info("remote exec is disabled", id=event.id, setting="disable_remote_exec")


def _arguments(job: Job, directory: Path) -> Sequence[str]:
    """The command line. A script is written to ``directory``. Raises OSError."""
    if job.args:
        return job.args
    if not job.script:
        return (SHELL, "-c", job.command)
    path = directory / "script"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SCRIPT_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(job.script)
    # The shell runs it by its first line, and by itself if it names no interpreter.
    return (SHELL, "-c", shlex.quote(str(path)))
