"""What a client agent answers ``?cached`` from: answers that it keeps, and keeps fresh.

    first question ─► MISS: a server is asked ─► kept, and followed by a blocking read of our own
    asked again    ─► HIT: the newest answer; its Age counts from the loss of the servers

So a question that was asked before is answered while no server can be reached. An entry ends some
time after its last use, when it is the least recently used of too many, or when a server refuses
the question. Source: Consul API, agent caching; surface §2.4.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from agent.rpc.cache import CacheControl, question_digest
from agent.rpc.endpoints.query import QueryExecute
from agent.rpc.follow import Rng, follow
from agent.rpc.pool import StartTask
from agent.rpc.request import ReadRequest, Reply, RpcError
from catalog.duration import SECOND
from catalog.errors import CatalogError

ENTRIES_MAX: Final = 1024  # each is a blocking read at a server, and an answer in memory
ENTRY_IDLE_S: Final = 72 * 3600.0  # Consul's time to live from the last use
NOT_FOLLOWED: Final = (QueryExecute,)  # has no index: it can be asked again, but not waited for

Call = Callable[[ReadRequest], Awaitable[Reply]]
Headers = dict[str, str]
MISS: Final[Headers] = {"X-Cache": "MISS"}


class _Entry:
    """The newest answer to one question."""

    def __init__(self, reply: Reply, used_s: float) -> None:
        self.reply = reply
        self.used_s = used_s
        self.lost_s: float | None = None  # since when no server answers
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def take(self, reply: Reply) -> None:
        """A newer answer: who waits for one is woken."""
        is_news = reply.index != self.reply.index
        self.reply, self.lost_s = reply, None
        if is_news:
            self.changed.set()
            self.changed = asyncio.Event()

    def age_s(self, now_s: float) -> float:
        """For how long the answer may have been out of date."""
        return 0.0 if self.lost_s is None else now_s - self.lost_s


class ReadCache:
    """``call`` asks a server; ``default_wait_ns`` bounds a blocking read that names no wait."""

    def __init__(
        self,
        call: Call,
        *,
        start_task: StartTask,
        rng: Rng,
        now_s: Callable[[], float],
        default_wait_ns: Callable[[], int],
    ) -> None:
        self._call = call
        self._start_task = start_task
        self._rng = rng
        self._now_s = now_s
        self._default_wait_ns = default_wait_ns
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    async def read(self, request: ReadRequest, cache_control: str) -> tuple[Reply, Headers]:
        """An answer, and the headers that tell where it is from.

        Raises BadRequest for a bad header, and what ``call`` raises when nothing is kept.
        """
        wanted = CacheControl.of(cache_control)
        key = question_digest(request)
        entry = self._entries.get(key)
        if entry is None or self._is_too_old(entry, wanted):
            try:
                return await self._fetch(key, request), MISS
            except RpcError:
                if entry is None or not self._serves_as_stale(entry, wanted):
                    raise
        entry.used_s = self._now_s()
        self._entries.move_to_end(key)
        reply = await self._beyond(entry, request)
        return reply, {"X-Cache": "HIT", "Age": str(int(entry.age_s(self._now_s())))}

    def _is_too_old(self, entry: _Entry, wanted: CacheControl) -> bool:
        if wanted.must_fetch:
            return True
        return wanted.max_age_s is not None and entry.age_s(self._now_s()) > wanted.max_age_s

    def _serves_as_stale(self, entry: _Entry, wanted: CacheControl) -> bool:
        allowed_s = wanted.stale_if_error_s
        return allowed_s is not None and entry.age_s(self._now_s()) <= allowed_s

    async def _fetch(self, key: bytes, request: ReadRequest) -> Reply:
        reply = await self._call(request)
        if isinstance(request, NOT_FOLLOWED):
            return reply
        known = self._entries.get(key)
        if known is not None:
            known.take(reply)
            known.used_s = self._now_s()
            return reply
        entry = self._entries[key] = _Entry(reply, self._now_s())
        question = msgspec.structs.replace(request, min_index=0, wait_ns=0)
        entry.task = self._start_task("cached read", self._follow(key, entry, question))
        if len(self._entries) > ENTRIES_MAX:
            self._drop(next(iter(self._entries)))
        return reply

    async def _follow(self, key: bytes, entry: _Entry, question: ReadRequest) -> None:
        async def ask(index: int) -> Reply:
            try:
                return await self._call(msgspec.structs.replace(question, min_index=index))
            except CatalogError:
                self._drop(key)  # whoever asks next learns why
                raise
            except RpcError:
                if entry.lost_s is None:
                    entry.lost_s = self._now_s()
                raise

        async for reply in follow("cached", ask, self._rng):
            entry.take(reply)
            if self._now_s() - entry.used_s > ENTRY_IDLE_S:
                self._drop(key)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.changed.set()
            if entry.task is not None:
                entry.task.cancel()

    async def _beyond(self, entry: _Entry, request: ReadRequest) -> Reply:
        """The entry's answer, once its index is another than the one asked with."""
        if request.min_index != entry.reply.index:
            return entry.reply
        wait_s = (request.wait_ns or self._default_wait_ns()) / SECOND
        try:
            async with asyncio.timeout(wait_s):
                await entry.changed.wait()
        except TimeoutError:
            pass  # as every blocking read: what there is
        return entry.reply
