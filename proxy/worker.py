"""The worker: obeys the agent, reports to it, outlives it for a while, and ends in order."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, assert_never

import msgspec

from proxy.api import ProxyConfig
from proxy.chain_serving import Surroundings
from proxy.feed import Feed
from proxy.hand_over import HandOverError, give, take
from proxy.messages import (
    Adopt,
    Applied,
    Configure,
    Drain,
    Drained,
    HandOver,
    Hello,
    Ready,
    Remove,
    Report,
    Tap,
    Tapped,
    ToWorker,
)
from proxy.notices import Notices
from proxy.recorder import Recording
from proxy.runtime import Parts, Runtime

REPORT_INTERVAL_S: Final = 1.0  # a picture of the traffic is this old at most
LAG_PROBE_INTERVAL_S: Final = 0.1  # often enough to see a stall that a request would feel
CLAIM_WAIT_S: Final = 5.0  # for configurations to claim adopted sockets; the agent has them all
GIVEN_WAIT_S: Final = 30.0  # not drained so long after giving: the newer worker came to naught
CONNECT_WAIT_S: Final = 2.0  # for the first agent, however short an orphan may live
SENT_WAIT_S: Final = 1.0  # for the agent to take the last word
EXIT_FAILED: Final = 1

_log = logging.getLogger("proxy.worker")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker is started. ``only``: the proxies that it serves, None for all.

    ``orphan_s``: for how long it lives without an agent.
    """

    feed: Path
    version: str
    slot: int = 0
    only: tuple[str, ...] | None = None
    adopt: Path | None = None
    orphan_s: float = 900.0


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Clocks, chance, what starts tasks, and what else is to be done each second."""

    now_s: Callable[[], float]
    wall_s: Callable[[], float]
    random: Callable[[], float]
    start: Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]
    each_second: Callable[[], None]


class Worker:
    """One worker process; ``run`` is all of its life."""

    def __init__(
        self, options: Options, world: World, make_parts: Callable[[Surroundings], Parts]
    ) -> None:
        self._options = options
        self._world = world
        self.recording = Recording(wall_s=world.wall_s, random=world.random, tell=self._tell_tapped)
        loop = asyncio.get_running_loop()
        around = Surroundings(
            now_s=world.now_s,
            random=world.random,
            start=world.start,
            call_later=loop.call_later,
            make_recorder=self.recording.of,
            notices=Notices(soon=loop.call_soon, now_s=world.now_s, failed=_notice_failed),
        )
        self._parts = make_parts(around)
        self._runtime = Runtime(self._parts, around, self._tell_applied)
        self._versions: dict[str, int] = {}
        self._feed = Feed(
            options.feed,
            hello=self._hello,
            obey=self._obey,
            now_s=world.now_s,
            random=world.random,
        )
        self._is_adopting = False
        self._lag_s = 0.0
        self._ended: asyncio.Future[int] = loop.create_future()
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Serve until told to end, or an orphan for too long; the exit code."""
        if self._options.adopt is not None:
            await self._adopt(self._options.adopt)
        works = {"feed": self._feed.run(), "reports": self._report(), "lag": self._measure_lag()}
        tasks = [self._world.start(name, work) for name, work in works.items()]
        try:
            return await self._ended
        finally:
            for task in tasks:
                task.cancel()
            self.recording.close()

    def end(self, drain_s: float | None = None) -> None:
        """Drain, then end; asked for a second time, end at once. None: as long as proxies say."""
        if self._draining is not None:
            self._end(0)
        else:
            wait_s = drain_s if drain_s is not None else self._runtime.drain_s
            self._draining = self._world.start("drain", self._drain(wait_s))

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _hello(self) -> Hello:
        # What could not be said while there was nobody to hear it.
        asyncio.get_running_loop().call_soon(self._tell_ready)
        return Hello(
            version=self._options.version,
            pid=os.getpid(),
            slot=self._options.slot,
            proxies=self._options.only,
            serving=dict(self._versions),
            is_draining=self._draining is not None,
        )

    async def _obey(self, message: ToWorker) -> None:
        match message:
            case Configure(version=version, config=config):
                await self._parts.prepare(config)
                self._configure(version, config)
            case Remove(id=id, drain_s=drain_s):
                self._versions.pop(id, None)
                self._runtime.remove(id, drain_s)
            case Tap():
                self.recording.tap(message)
            case HandOver(path=path):
                self._world.start("hand-over", self._give(Path(path)))
            case Adopt(path=path):
                await self._adopt(Path(path))
            case Drain(drain_s=drain_s):
                if self._draining is None:
                    self.end(drain_s)
            case _:
                assert_never(message)

    def _tell_tapped(self, tapped: Tapped) -> None:
        self._feed.send(tapped)

    def _configure(self, version: int, config: ProxyConfig) -> None:
        self._versions[config.id] = version
        try:
            self._runtime.apply(config)
        except Exception as error:  # noqa: BLE001 - one proxy's fault must not end the others
            _log.exception("proxy %s not configured", config.id)
            faults = {"": f"not configured: {error!r}"}
            self._feed.send(Applied(id=config.id, version=version, faults=faults))
        else:
            self._tell_applied(config.id)
        self._tell_ready()

    def _tell_applied(self, id: str) -> None:
        version = self._versions.get(id)
        if version is not None:
            self._feed.send(Applied(id=id, version=version, faults=self._runtime.faults(id)))

    # Sockets that come from an older worker, or go to a newer one.

    async def _adopt(self, path: Path) -> None:
        try:
            self._runtime.adopt(await take(path))
        except HandOverError as error:
            # Without the sockets it would only be in the way of who has them.
            _log.error("%s", error)
            self._end(EXIT_FAILED)
            return
        self._is_adopting = True
        asyncio.get_running_loop().call_later(CLAIM_WAIT_S, self._claimed)
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self._is_adopting and not self._runtime.unclaimed and self._feed.send(Ready()):
            self._is_adopting = False

    def _claimed(self) -> None:
        self._runtime.close_unclaimed()
        self._tell_ready()

    async def _give(self, path: Path) -> None:
        self._runtime.has_given = True
        try:
            await give(path, self._runtime.sockets())
            await asyncio.sleep(GIVEN_WAIT_S)
        except HandOverError as error:
            _log.warning("%s", error)
        if self._draining is None:
            self._runtime.has_given = False

    async def _drain(self, drain_s: float) -> None:
        cut = await self._runtime.drain(drain_s)
        _log.info("drained, %d connections cut", cut)
        self._feed.send(Drained(cut=cut))
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SENT_WAIT_S):
                await self._feed.sent()
        self._end(0)

    # What happens each second.

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            try:
                self._look_around()
            except Exception:  # noqa: BLE001 - what is served goes on, whatever the report says
                _log.exception("no report")

    def _look_around(self) -> None:
        self.recording.flush()
        self._world.each_second()
        if self._feed.is_connected:
            self._feed.send(self._make_report())
            return
        self.recording.taps.clear()
        if self._is_orphan() and self._draining is None:
            _log.warning("no agent for %.0f s, ending", self._feed.lost_for_s)
            self.end()

    def _make_report(self) -> Report:
        edges, failures = self.recording.take()
        lag_s, self._lag_s = self._lag_s, 0.0
        return Report(
            at_s=self._world.wall_s(),
            edges=edges,
            instances=self._runtime.instances(),
            handshake_failures=failures,
            resident_bytes=_resident_bytes(),
            loop_lag_ms=round(lag_s * 1000, 3),
        )

    def _is_orphan(self) -> bool:
        if not self._options.feed.parent.is_dir():
            return True  # with its data directory the agent is gone for good
        allowed_s = self._options.orphan_s
        if not self._feed.was_connected:
            allowed_s = max(allowed_s, CONNECT_WAIT_S)
        return self._feed.lost_for_s > allowed_s

    async def _measure_lag(self) -> None:
        while True:
            due_s = self._world.now_s() + LAG_PROBE_INTERVAL_S
            await asyncio.sleep(LAG_PROBE_INTERVAL_S)
            self._lag_s = max(self._lag_s, self._world.now_s() - due_s)


def _notice_failed(error: Exception) -> None:
    _log.error("a connection failed to take a new configuration", exc_info=error)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
