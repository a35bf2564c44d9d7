"""The hand-over of connections to aiohttp, which is loaded when the first request needs it.

aiohttp takes 12 MiB: an agent that is idle, or asked for hot keys only, goes without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from agent.http.front import Front
from agent.late_import import import_late

if TYPE_CHECKING:
    from aiohttp.web_server import Server

_log = structlog.get_logger("agent.http")


class SlowLane(Protocol):
    """aiohttp's protocol of one connection."""

    _request_in_progress: bool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""

    def data_received(self, data: bytes) -> None:
        """Take bytes."""

    def eof_received(self) -> None:
        """The client sends no more."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""

    def pause_writing(self) -> None:
        """The client reads too slowly."""

    def resume_writing(self) -> None:
        """The client caught up."""


class HandOver:
    """Gives each connection that needs it a slow lane of its own."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._server: Server | None = None
        self._loading: asyncio.Future[Callable[[Front], Server]] | None = None

    def slow_lane(self) -> SlowLane | None:
        """A new slow lane; None while aiohttp is not loaded."""
        return None if self._server is None else self._server()

    def load(self) -> asyncio.Future[Any]:
        """The one load that all wait for; it raises what kept aiohttp from being loaded."""
        if self._loading is None:
            self._loading = import_late(_import_slow_lane)
            self._loading.add_done_callback(self._loaded)  # before those who wait
        return self._loading

    def _loaded(self, loading: asyncio.Future[Callable[[Front], Server]]) -> None:
        self._loading = None
        error = loading.exception()
        if error is None:
            self._server = loading.result()(self._front)
        else:
            _log.error("aiohttp could not be loaded", exc_info=error)

    async def close(self, timeout_s: float) -> None:
        """End what is being answered, and a load, which must not outlast the loop."""
        if self._loading is not None:
            await asyncio.wait([self._loading], timeout=timeout_s)
        if self._server is not None:
            await self._server.shutdown(timeout_s)


def _import_slow_lane() -> Callable[[Front], Server]:
    from agent.http.slow_lane import make

    return make
