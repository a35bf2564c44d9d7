"""The agent's end of the feed: tells each worker what it should serve and does not serve yet.

What is wanted (the newest configuration of each proxy) and what each worker has are compared
whenever either changes; only the difference is sent, so a worker that comes back after an agent was
restarted goes on with what it has. A worker that a user started for some proxies serves exactly
those, all others are for the agent's own, each for one of them: so what is limited or learnt of a
proxy (connections, requests, failures) is counted in one place.
Limits: below, each by name.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol, assert_never
from zlib import crc32

import msgspec
import structlog

from agent.clock import monotonic_s, wall_s
from agent.tasks import Tasks
from proxy.api import ProxyConfig
from proxy.frames import FrameError, frame, reader_of_worker
from proxy.messages import (
    Applied,
    Configure,
    Drained,
    Hello,
    Ready,
    Remove,
    Report,
    Tap,
    Tapped,
    ToAgent,
    ToWorker,
)
from proxy.unix_socket import is_allowed, listen_unix, peer_of

HELLO_WAIT_S: Final = 5.0  # a worker says who it is at once
WORKERS_MAX: Final = 256  # the agent's own and one for each proxy that a user started
READ_BYTES_MAX: Final = 256 * 1024  # reports of a busy worker are some 10 KiB
REMOVED_DRAIN_S: Final = 30.0  # of what an earlier agent told: a proxy's own default
REMOVED_MAX: Final = 1024  # remembered for a worker that was away when its proxy was removed
TAPS_MAX: Final = 64  # each looks at every request of every proxy

_log = structlog.get_logger("agent.mesh.feed")


class Worker:
    """A worker that is connected. ``serving``: versions that it was told, by proxy.

    ``is_retiring``: another one takes its place, so it is told of nothing new.
    """

    def __init__(self, hello: Hello, process: int) -> None:
        self.hello = hello
        self.process = process
        self.serving = dict(hello.serving)
        self.applied: dict[str, Applied] = {}
        self.is_retiring = hello.is_draining
        self.woken = asyncio.Event()
        self.woken.set()
        self.unsaid: deque[ToWorker] = deque()

    def say(self, message: ToWorker) -> None:
        """Tell it before any configuration that it does not have yet."""
        self.unsaid.append(message)
        self.woken.set()


class ProxyState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a proxy's newest configuration has come.

    ``faults`` by listener, as the workers said last; ``pending_s``: for how long some worker has
    not applied it, 0 if all have; ``age_s``: how old it is; ``workers``: how many serve it.
    """

    id: str
    version: int
    workers: int
    pending_s: float = 0.0
    age_s: float = 0.0
    faults: dict[str, str] = {}


class WorkerEvents(Protocol):
    """Who looks after the worker processes."""

    def met(self, worker: Worker) -> None:
        """A worker has come; what it is told now, it is told first."""

    def said(self, worker: Worker, message: Ready | Drained | Report) -> None:
        """It said something of itself."""

    def lost(self, worker: Worker) -> None:
        """It is no longer connected."""


Seen = Callable[[Worker, Report | Tapped], None]
"""Is handed what workers see."""


class FeedServer:
    """Listens at ``path``, which only this user can reach.

    ``events``, ``on_put`` and ``slot_count`` are set by who looks after the agent's workers.
    """

    def __init__(self, path: Path, tasks: Tasks) -> None:
        self.path = path
        self.slot_count = 1
        self.events: WorkerEvents | None = None
        self.on_put: Callable[[], None] = _nothing
        self._tasks = tasks
        self._workers: list[Worker] = []
        self._wanted: dict[str, tuple[int, ProxyConfig, float]] = {}
        # Later than any of an earlier agent, whose workers may still be there.
        self._version = int(wall_s() * 1000)
        self._known: frozenset[str] | None = None
        self._removed: dict[str, float] = {}
        self._taps: dict[int, Tap] = {}
        self._seen: list[Seen] = []
        self._server: asyncio.AbstractServer | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Those that are connected."""
        return tuple(self._workers)

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._accept, sock=listen_unix(self.path))

    async def close(self) -> None:
        """Hang up on all workers; they go on serving what they have."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)
        self._server = None

    # What is wanted.

    def put(self, config: ProxyConfig) -> None:
        """Have a proxy served as told from now on."""
        self._version += 1
        self._wanted[config.id] = (self._version, config, monotonic_s())
        self._removed.pop(config.id, None)
        self._wake()
        self.on_put()

    def remove(self, proxy_id: str) -> None:
        """Have a proxy served no more, after its connections have drained."""
        wanted = self._wanted.pop(proxy_id, None)
        if wanted is not None:
            self._removed[proxy_id] = wanted[1].drain_s
            if len(self._removed) > REMOVED_MAX:
                del self._removed[next(iter(self._removed))]
        if self._known is not None:
            self._known -= {proxy_id}
        self._wake()

    def keep_only(self, proxies: Iterable[str]) -> None:
        """Say which proxies there are, put already or not: what else a worker serves, it drops.

        Until this is called a worker keeps what an earlier agent told it.
        """
        self._known = frozenset(proxies)
        self._wake()

    def tap(self, tap: Tap) -> None:
        """Begin or end to show requests; answers come as `Tapped`. Raises ValueError if too many.

        A worker that comes later is told too.
        """
        if tap.stop:
            self._taps.pop(tap.number, None)
        elif len(self._taps) >= TAPS_MAX:
            raise ValueError(f"there are {TAPS_MAX} taps already")
        else:
            self._taps[tap.number] = tap
        for worker in self._workers:
            worker.say(tap)

    def subscribe(self, seen: Seen) -> Callable[[], None]:
        """Be handed reports and tapped requests; returns what undoes it."""
        self._seen.append(seen)
        return lambda: self._seen.remove(seen)

    # What has become of it.

    @property
    def proxies(self) -> dict[str, ProxyState]:
        """Every proxy that is wanted."""
        return {id: self._state(id) for id in self._wanted}

    def _state(self, id: str) -> ProxyState:
        version, _, since_s = self._wanted[id]
        serving = [w for w in self._workers if not w.is_retiring and self._is_for(w, id)]
        answers = [worker.applied.get(id) for worker in serving]
        is_applied = bool(answers) and all(a is not None and a.version == version for a in answers)
        faults: dict[str, str] = {}
        for answer in answers:
            faults |= answer.faults if answer is not None else {}
        age_s = monotonic_s() - since_s
        return ProxyState(
            id=id,
            version=version,
            workers=len(serving),
            pending_s=0.0 if is_applied else age_s,
            age_s=age_s,
            faults=faults,
        )

    # One worker.

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = self._tasks.start("feed", self._serve(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        # Also of a conversation that was cancelled before it began.
        conversation.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process, user = peer_of(writer.get_extra_info("socket"))
        if not is_allowed(user) or len(self._workers) >= WORKERS_MAX:
            _log.warning("worker refused", process=process, user=user, workers=len(self._workers))
            writer.close()
            return
        try:
            await self._converse(reader, writer, process)
        except ConnectionError:
            _log.debug("worker went away", process=process)
        except (OSError, FrameError, TimeoutError) as error:
            _log.warning("feed failed", process=process, error=str(error) or repr(error))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: int
    ) -> None:
        worker: Worker | None = None
        telling: asyncio.Task[None] | None = None
        frames = reader_of_worker()
        try:
            while chunk := await _read(reader, None if worker else HELLO_WAIT_S):
                for message in frames.feed(chunk):
                    if worker is None:
                        worker = self._meet(message, process)
                        telling = self._tasks.start(f"feed {process}", self._tell(worker, writer))
                    else:
                        self._hear(worker, message)
        finally:
            if telling is not None:
                telling.cancel()
            if worker is not None:
                self._lose(worker)

    def _meet(self, hello: ToAgent, process: int) -> Worker:
        if not isinstance(hello, Hello):
            raise FrameError("a worker begins with its hello")
        worker = Worker(hello, process)
        self._workers.append(worker)
        _log.info("worker connected", process=process, slot=hello.slot, proxies=hello.proxies)
        if self.events is not None:
            self.events.met(worker)
        for tap in self._taps.values():
            worker.say(tap)
        self._wake()  # what it claims is another one's no more
        return worker

    def _lose(self, worker: Worker) -> None:
        self._workers.remove(worker)
        _log.info("worker disconnected", process=worker.process)
        if self.events is not None:
            self.events.lost(worker)
        self._wake()

    def _hear(self, worker: Worker, message: ToAgent) -> None:
        match message:
            case Applied():
                self._applied(worker, message)
            case Report():
                self._show(worker, message)
                self._said(worker, message)
            case Tapped():
                self._show(worker, message)
            case Ready() | Drained():
                self._said(worker, message)
            case Hello():
                raise FrameError("a worker says hello once")
            case _:
                assert_never(message)

    def _applied(self, worker: Worker, answer: Applied) -> None:
        before = worker.applied.get(answer.id)
        worker.applied[answer.id] = answer
        if answer.faults and (before is None or before.faults != answer.faults):
            _log.warning("proxy has faults", proxy=answer.id, faults=answer.faults)

    def _said(self, worker: Worker, message: Ready | Drained | Report) -> None:
        if self.events is not None:
            self.events.said(worker, message)

    def _show(self, worker: Worker, message: Report | Tapped) -> None:
        for seen in list(self._seen):
            seen(worker, message)

    def _wake(self) -> None:
        for worker in self._workers:
            worker.woken.set()

    async def _tell(self, worker: Worker, writer: asyncio.StreamWriter) -> None:
        """Send what the worker lacks, for ever; the newest at the time it can take it."""
        while True:
            await worker.woken.wait()
            worker.woken.clear()
            while (message := self._next(worker)) is not None:
                try:
                    writer.write(frame(message))
                    await writer.drain()
                except FrameError as error:
                    _log.error("not told to a worker", error=str(error))
                except OSError:
                    return  # the reading side finds out too

    def _next(self, worker: Worker) -> ToWorker | None:
        if worker.unsaid:
            return worker.unsaid.popleft()
        for id in worker.serving:
            if self._is_over(worker, id):
                del worker.serving[id]
                worker.applied.pop(id, None)
                return Remove(id=id, drain_s=self._drain_s(id))
        for id, (version, config, _) in self._wanted.items():
            is_new = id not in worker.serving and (
                worker.is_retiring or not self._is_for(worker, id)
            )
            if not is_new and worker.serving.get(id) != version:
                worker.serving[id] = version
                return Configure(version=version, config=config)
        return None

    def _drain_s(self, id: str) -> float:
        if id in self._wanted:
            return self._wanted[id][1].drain_s
        return self._removed.get(id, REMOVED_DRAIN_S)

    def _is_over(self, worker: Worker, id: str) -> bool:
        """Whether a worker should no longer serve what it serves."""
        if id in self._wanted:
            return not worker.is_retiring and not self._is_for(worker, id)
        return id in self._removed or (self._known is not None and id not in self._known)

    def _is_for(self, worker: Worker, id: str) -> bool:
        if worker.hello.proxies is not None:
            return id in worker.hello.proxies
        if worker.hello.slot != crc32(id.encode()) % self.slot_count:
            return False
        return not any(
            id in (other.hello.proxies or ()) and not other.is_retiring for other in self._workers
        )


async def _read(reader: asyncio.StreamReader, wait_s: float | None) -> bytes:
    async with asyncio.timeout(wait_s):
        return await reader.read(READ_BYTES_MAX)


def _nothing() -> None:
    """Nobody looks after the workers."""
