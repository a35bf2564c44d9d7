"""The worker processes: started with the first proxy, looked after, replaced, ended.

    first proxy ─► start ─► Hello ─► serves ──exit, silence──► start again, later each time
                     ▲                 │
    earlier agent's ─┴─ comes back ────┤ other version, upgrade()
                                       ▼
                    new one adopts its sockets ─► Ready ─► the older one drains and ends

An agent with a data directory leaves its workers running when it stops, and takes them back when it
starts; those of others end with it, and those of an agent that leaves its cluster for good.
Limits: below, each by name.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Final

import structlog

from agent.clock import monotonic_s
from agent.mesh.feed_server import FeedServer, Worker
from agent.mesh.worker_process import WorkerProcess, is_any_alive, start_worker
from agent.rpc.follow import Rng
from agent.tasks import Tasks
from agent.version import VERSION
from catalog.errors import CatalogError
from proxy.messages import Adopt, Drain, Drained, HandOver, Ready, Report

RETURN_WAIT_S: Final = 5.0  # an earlier agent's worker tries each second; it may be busy
RESTART_FIRST_S: Final = 0.1  # a worker that was killed is missed at once
RESTART_MAX_S: Final = 30.0  # one that cannot start must not take the machine with it
STEADY_S: Final = 60.0  # after so long a life the next fault is a new one
SILENCE_MAX_S: Final = 30.0  # a worker reports each second; one that says nothing for so long hangs
SILENCE_POLL_S: Final = 5.0  # between looks at whether it does
UPGRADE_WAIT_S: Final = 30.0  # to start a worker, hand over to it, and configure it
DRAIN_S: Final = 60.0  # for what the replaced worker carries; streams are cut then
EXIT_WAIT_S: Final = 5.0  # beyond its drain, before a worker is killed


class UpgradeError(CatalogError):
    """The worker was not replaced; the older one goes on."""


class _Slot:
    """One worker: the process that serves, and the one that is to take its place."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: WorkerProcess | None = None
        self.worker: Worker | None = None
        self.next: WorkerProcess | None = None
        self.next_worker: Worker | None = None
        self.met = asyncio.Event()
        self.next_is_ready = asyncio.Event()
        self.silent_s = 0.0
        self.changing = asyncio.Lock()


_log = structlog.get_logger("agent.mesh.workers")


class Workers:
    """``count`` workers that are fed by ``feed``, whose directory keeps their locks and logs.

    ``outlives``: they go on when the agent stops.
    """

    def __init__(
        self, feed: FeedServer, *, tasks: Tasks, rng: Rng, count: int, outlives: bool
    ) -> None:
        self._feed = feed
        self._tasks = tasks
        self._rng = rng
        self._outlives = outlives
        self._slots = [_Slot(number) for number in range(count)]
        self._leaving: dict[int, WorkerProcess] = {}
        self._is_stopping = False
        self._keeping: list[asyncio.Task[None]] = []
        feed.slot_count = count
        feed.events = self
        feed.on_put = self._start_once

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes that serve, by slot."""
        return tuple(slot.process.number for slot in self._slots if slot.process is not None)

    def start(self) -> None:
        """Take back an earlier agent's workers. Others are started with the first proxy."""
        if any(is_any_alive(self._lock(slot)) for slot in self._slots):
            self._start_once()

    async def upgrade(self) -> None:
        """Replace every worker by a new one without losing a connection. Raises UpgradeError."""
        for slot in self._slots:
            if slot.worker is not None:
                await self._replace(slot)

    async def stop(self, drain_s: float) -> None:
        """End all workers, and start no others; what is open after ``drain_s`` is cut."""
        self._is_stopping = True
        self._stop_keeping()
        for worker in self._feed.workers:
            if worker.hello.proxies is None:
                worker.say(Drain(drain_s=drain_s))
        processes = [*self._leaving.values(), *self._own_processes()]
        for process in processes:
            if not any(worker.process == process.number for worker in self._feed.workers):
                process.signal(signal.SIGTERM)
        await asyncio.gather(*(_end(process, drain_s) for process in processes))

    async def close(self) -> None:
        """The agent stops: leave the workers to the next one, or end them if there is none."""
        if not self._outlives:
            await self.stop(0.0)
        self._stop_keeping()
        for process in [*self._leaving.values(), *self._own_processes()]:
            process.forget()

    # What the feed tells.

    def met(self, worker: Worker) -> None:
        """A worker has come: ours, an earlier agent's, or one that a user started."""
        if worker.hello.proxies is not None or worker.is_retiring:
            return
        slot = next((s for s in self._slots if s.number == worker.hello.slot), None)
        if slot is None:  # there were more of them
            worker.is_retiring = True
            worker.say(Drain(drain_s=DRAIN_S))
        elif slot.next is not None and slot.next.number == worker.process:
            slot.next_worker = worker
            path = str(self._feed.path.with_name(f"hand-over-{slot.number}.sock"))
            if slot.worker is not None:
                slot.worker.say(HandOver(path=path))
                worker.say(Adopt(path=path))
        elif slot.process is None or slot.process.number == worker.process:
            self._take(slot, worker)
        else:
            _log.warning("a second worker came, ending it", process=worker.process)
            worker.is_retiring = True
            worker.say(Drain(drain_s=DRAIN_S))

    def said(self, worker: Worker, message: Ready | Drained | Report) -> None:
        """A worker said something of itself."""
        for slot in self._slots:
            if slot.worker is worker:
                slot.silent_s = 0.0
            if slot.next_worker is worker and isinstance(message, Ready):
                slot.next_is_ready.set()

    def lost(self, worker: Worker) -> None:
        """A worker is no longer connected: it has ended, or will come again."""
        for slot in self._slots:
            if slot.worker is worker:
                slot.worker = None
                slot.silent_s = 0.0

    def _take(self, slot: _Slot, worker: Worker) -> None:
        if slot.process is None:
            try:
                slot.process = WorkerProcess(worker.process)
            except OSError:
                return  # it has ended meanwhile
            _log.info("worker taken back", slot=slot.number, process=worker.process)
        slot.worker = worker
        slot.silent_s = 0.0
        slot.met.set()
        if worker.hello.version != VERSION:
            self._tasks.start(f"worker {slot.number} upgrade", self._upgrade(slot))

    # A slot.

    def _start_once(self) -> None:
        if not self._keeping and not self._is_stopping:
            self._keeping = [
                self._tasks.start(f"worker {slot.number}", self._keep(slot)) for slot in self._slots
            ]

    async def _keep(self, slot: _Slot) -> None:
        """Have a worker in the slot, for ever."""
        is_expected = slot.process is None and is_any_alive(self._lock(slot))
        if is_expected and not await _happens(slot.met, RETURN_WAIT_S):
            _log.warning("an earlier worker did not come back", slot=slot.number)
        failures = 0
        while True:
            started_s = monotonic_s()
            if slot.process is None:
                slot.process = self._start(slot)
            process = slot.process
            while process is not None and slot.process is process:
                if await _happens(process.exited, SILENCE_POLL_S):
                    break
                self._check_silence(slot)
            if slot.process is not process:
                continue  # another one has taken its place
            slot.process = None
            failures = 0 if monotonic_s() - started_s > STEADY_S else failures + 1
            longest_s = min(RESTART_MAX_S, RESTART_FIRST_S * 2.0 ** min(failures - 1, 20))
            _log.warning("worker ended", slot=slot.number, restart_s=round(longest_s, 1))
            await asyncio.sleep(longest_s * (0.5 + self._rng.random() / 2))

    def _check_silence(self, slot: _Slot) -> None:
        # Not by the clock: that a machine stood still, or an agent, is no worker's fault.
        slot.silent_s += SILENCE_POLL_S
        if slot.process is not None and slot.silent_s > SILENCE_MAX_S:
            _log.error("worker hangs, killing it", slot=slot.number, process=slot.process.number)
            slot.process.signal(signal.SIGKILL)

    def _start(self, slot: _Slot) -> WorkerProcess | None:
        if self._is_stopping:
            return None
        directory = self._feed.path.parent
        arguments = [
            *("--feed", str(self._feed.path)),
            *("--slot", str(slot.number)),
            *("--worker-version", VERSION),
        ]
        if self._outlives:
            arguments += ["--log", str(directory / f"worker-{slot.number}.log")]
        else:
            arguments += ["--orphan-s", "0"]
        slot.silent_s = 0.0
        try:
            process = start_worker(
                arguments,
                self._lock(slot),
                keeps_output=not self._outlives,
                environment=os.environ,
            )
        except OSError as error:
            _log.error("worker not started", slot=slot.number, error=str(error))
            return None
        _log.info("worker started", slot=slot.number, process=process.number)
        return process

    async def _upgrade(self, slot: _Slot) -> None:
        try:
            await self._replace(slot)
        except UpgradeError as error:
            _log.error("worker not replaced", slot=slot.number, error=str(error))

    async def _replace(self, slot: _Slot) -> None:
        async with slot.changing:
            slot.next_is_ready.clear()
            slot.next_worker = None
            slot.next = process = self._start(slot)
            if process is None:
                raise UpgradeError("a new worker cannot be started")
            try:
                new_worker = await self._until_ready(slot, process)
            except UpgradeError:
                process.signal(signal.SIGKILL)
                raise
            finally:
                slot.next = None
            older, old_worker = slot.process, slot.worker
            slot.process, slot.worker = process, new_worker
            slot.silent_s = 0.0
            if old_worker is not None:
                old_worker.is_retiring = True
                old_worker.say(Drain(drain_s=DRAIN_S))
            if older is not None:
                self._leaving[older.number] = older
                self._tasks.start(f"worker {older.number} drain", self._see_off(older))
            _log.info("worker replaced", slot=slot.number, process=process.number)

    async def _until_ready(self, slot: _Slot, process: WorkerProcess) -> Worker:
        exited = self._tasks.start("worker exit", _wait(process.exited))
        ready = self._tasks.start("worker ready", _wait(slot.next_is_ready))
        try:
            await asyncio.wait(
                [exited, ready], timeout=UPGRADE_WAIT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            exited.cancel()
            ready.cancel()
        if slot.next_worker is None or not slot.next_is_ready.is_set():
            why = "ended" if process.exited.is_set() else f"was not ready in {UPGRADE_WAIT_S} s"
            raise UpgradeError(f"the new worker {why}")
        return slot.next_worker

    async def _see_off(self, process: WorkerProcess) -> None:
        await _end(process, DRAIN_S)
        self._leaving.pop(process.number, None)

    def _own_processes(self) -> list[WorkerProcess]:
        both = [process for slot in self._slots for process in (slot.process, slot.next)]
        return [process for process in both if process is not None]

    def _stop_keeping(self) -> None:
        for task in self._keeping:
            task.cancel()

    def _lock(self, slot: _Slot) -> Path:
        return self._feed.path.with_name(f"worker-{slot.number}.lock")


async def _end(process: WorkerProcess, drain_s: float) -> None:
    """Wait for the end of a process that drains; kill it if it does not end in time."""
    if not await _happens(process.exited, drain_s + EXIT_WAIT_S):
        process.signal(signal.SIGKILL)
        await _happens(process.exited, EXIT_WAIT_S)


async def _happens(event: asyncio.Event, wait_s: float) -> bool:
    """Whether an event happens in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()
    return event.is_set()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
