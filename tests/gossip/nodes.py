"""Nodes of ours on loopback for tests: short timers, everything heard is kept."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from agent.clock import monotonic_s
from agent.tasks import Tasks
from gossip.core import config as profiles
from gossip.core.config import Config
from gossip.core.effects import Change
from gossip.core.types import Address, Coordinate, Member, Query, Status, UserEvent
from gossip.driver import Gossip
from gossip.endpoints import Endpoints
from gossip.surroundings import Settings, SilentListener, Surroundings

LOOPBACK = Address(bytes((127, 0, 0, 1)), 0)
POLL_S = 0.02


class Heard(SilentListener):
    """Keeps what it hears, and answers every query with its node's name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changes: list[tuple[Change, str]] = []
        self.events: list[UserEvent] = []
        self.queries: list[str] = []
        self.coordinates: list[Coordinate] = []
        self.keyrings: list[tuple[bytes, ...]] = []
        self.conflicts: list[tuple[str, Address, Address]] = []
        self.stops: list[str] = []

    def members_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        self.changes += [(change, member.name) for member in members]

    def event_received(self, event: UserEvent) -> None:
        self.events.append(event)

    def query_received(self, query: Query, respond: Callable[[bytes], None]) -> None:
        self.queries.append(query.name)
        respond(self.name.encode())

    def coordinate_updated(self, coordinate: Coordinate) -> None:
        self.coordinates.append(coordinate)

    def keyring_changed(self, keys: tuple[bytes, ...]) -> None:
        self.keyrings.append(keys)

    def conflict_seen(self, node: str, known: Address, other: Address) -> None:
        self.conflicts.append((node, known, other))

    def stopped(self, reason: str) -> None:
        self.stops.append(reason)


class Node:
    """A driver with the listener that it talks to."""

    def __init__(self, gossip: Gossip, heard: Heard, tasks: Tasks) -> None:
        self.gossip = gossip
        self.heard = heard
        self.name = heard.name
        self._tasks = tasks

    @property
    def place(self) -> str:
        """host:port, for a join."""
        return f"127.0.0.1:{self.gossip.address.port}"

    def statuses(self) -> dict[str, Status]:
        """Every member's status."""
        return {member.name: member.status for member in self.gossip.members()}

    async def stop(self) -> None:
        """End it without a word to the others."""
        await self.gossip.shutdown()
        await self._tasks.close()


def make_node(
    name: str,
    *,
    settings: Settings | None = None,
    endpoints: Endpoints | None = None,
    profile: Callable[..., Config] = profiles.local,
    **changes: Any,
) -> Node:
    """A node that is not started yet. ``changes`` are of its ``Config``."""
    tasks, heard = Tasks(), Heard(name)
    surroundings = Surroundings(
        monotonic_s=monotonic_s,
        rng=Random(name),
        nonce=lambda: secrets.token_bytes(12),
        start_task=tasks.start,
    )
    address = changes.pop("address", LOOPBACK)
    config = profile(name, address, **changes)
    gossip = Gossip(
        config, settings or Settings(), surroundings, listener=heard, endpoints=endpoints
    )
    return Node(gossip, heard, tasks)


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    """Start these nodes, and stop them in the end."""
    try:
        for node in nodes:
            await node.gossip.start()
        yield
    finally:
        for node in nodes:
            await node.stop()


async def until(
    holds: Callable[[], bool | Awaitable[bool]], what: str, *, timeout_s: float = 12.0
) -> None:
    """Wait until ``holds``; fails with ``what``."""
    deadline_s = monotonic_s() + timeout_s
    while True:
        result = holds()
        if result if isinstance(result, bool) else await result:
            return
        assert monotonic_s() < deadline_s, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(POLL_S)


def all_alive(nodes: Sequence[Node], names: set[str]) -> bool:
    """Whether each of ``nodes`` sees exactly ``names``, all alive."""
    expected = dict.fromkeys(names, Status.ALIVE)
    return all(expected == node.statuses() for node in nodes)
