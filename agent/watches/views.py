"""What a watch sees over time: each view that differs from the one before, ready for a handler.

Reads are blocking reads through the router; events come from this agent's ring.
Source: Consul, watches; the JSON is that of the API, a key-value pair always with its session.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from agent.membership.events import EventRing, UserEvent, index_of
from agent.rpc.endpoints.kv import KvGet, KvList
from agent.rpc.follow import Rng, follow
from agent.rpc.request import ReadRequest, Reply
from agent.watches.definition import Query
from catalog.queries.health import only_passing
from catalog.rows.kv import KeyValue
from catalog.shape import to_json

_PAIR_FIELDS: Final = ("Key", "CreateIndex", "ModifyIndex", "LockIndex", "Flags", "Value")


class View(msgspec.Struct, frozen=True):
    """A view as JSON on one line, and its index."""

    index: int
    body: bytes


class Router(Protocol):
    """The one call of agent.rpc.router.Router that is used."""

    async def call(self, request: ReadRequest) -> Reply:
        """Answer a read."""


async def query_views(query: Query, router: Router, rng: Rng) -> AsyncGenerator[View]:
    """The views of a read: the first at once, then each different one."""

    async def ask(index: int) -> Reply:
        return await router.call(msgspec.structs.replace(query.request, min_index=index))

    seen = b""
    async with aclosing(follow("watch", ask, rng)) as replies:
        async for reply in replies:
            body = _line(_shown(query, reply.value))
            if body != seen:
                seen = body
                yield View(reply.index, body)


async def event_views(name: str, ring: EventRing) -> AsyncGenerator[View]:
    """The events known at first, then each time those that came since."""
    seen = ""
    is_first = True
    while True:
        events = ring.list(name)
        fresh = _after(events, seen)
        if fresh or is_first:
            is_first = False
            seen = events[-1].id if events else ""
            yield View(index_of(seen) if seen else 1, _line(fresh))
        else:
            await _next_event(ring)


def _after(events: list[UserEvent], seen_id: str) -> list[UserEvent]:
    ids = [event.id for event in events]
    return events[ids.index(seen_id) + 1 :] if seen_id in ids else events


async def _next_event(ring: EventRing) -> None:
    received = asyncio.Event()
    ring.wake(received.set)
    try:
        await received.wait()
    finally:
        ring.forget(received.set)


def _shown(query: Query, value: Any) -> Any:
    match query.request:
        case KvGet():
            return None if value is None else _pair(value)
        case KvList():
            return [_pair(pair) for pair in value] or None
        case _:
            return only_passing(value) if query.passing_only else value


def _pair(pair: KeyValue) -> dict[str, Any]:
    shown = to_json(pair)
    return {
        **{name: shown[name] for name in _PAIR_FIELDS},
        "Session": shown.get("Session", ""),
    }


def _line(value: Any) -> bytes:
    return msgspec.json.encode(to_json(value)) + b"\n"
