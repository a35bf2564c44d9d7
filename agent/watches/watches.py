"""The watches that run: one task each; a reload ends what is gone and starts what is new."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import assert_never

import structlog

from agent.membership.events import EventRing
from agent.rpc.follow import Rng
from agent.tasks import Tasks
from agent.watches.definition import Events, Query, Watch
from agent.watches.handler import run_handler
from agent.watches.views import Router, View, event_views, query_views

_log = structlog.get_logger("agent.watches")


class Watches:
    """Runs the watches of the configuration."""

    def __init__(self, router: Router, events: EventRing, tasks: Tasks, rng: Rng) -> None:
        self._router = router
        self._events = events
        self._tasks = tasks
        self._rng = rng
        self._running: list[tuple[Watch, asyncio.Task[None]]] = []

    def apply(self, watches: Sequence[Watch]) -> None:
        """Run exactly these; those that already run go on undisturbed."""
        missing = list(watches)
        kept = []
        for watch, task in self._running:
            if watch in missing:
                missing.remove(watch)
                kept.append((watch, task))
            else:
                task.cancel()
        started = [
            (watch, self._tasks.start(f"watch {watch.type}", self._run(watch))) for watch in missing
        ]
        if started or len(kept) != len(self._running):
            _log.info("watches changed", running=len(kept) + len(started), started=len(started))
        self._running = kept + started

    async def _run(self, watch: Watch) -> None:
        """Handle each view; what changes meanwhile is one view, seen afterwards."""
        async with aclosing(self._views(watch)) as views:
            async for view in views:
                await run_handler(watch.handler, view)

    def _views(self, watch: Watch) -> AsyncGenerator[View]:
        match watch.source:
            case Query() as query:
                return query_views(query, self._router, self._rng)
            case Events(name=name):
                return event_views(name, self._events)
            case unknown:
                assert_never(unknown)
