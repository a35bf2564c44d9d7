"""Queries: a question to many, answered to one.

A query travels like a user event; whoever it is for sends an ack (if wanted) and one response
straight to the asker, and again through a few relays when asked to. Source: Serf's queries.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from gossip.core.answers import Answers
from gossip.core.broadcast import BroadcastQueue
from gossip.core.effects import Completed, QueryAnswer, QueryFinished, QueryReceived
from gossip.core.events import is_too_old
from gossip.core.filters import passes
from gossip.core.inputs import Ask, Respond
from gossip.core.lamport import LamportClock
from gossip.core.piggyback import COMPOUND_PART_BYTES, Piggyback, packet_room_bytes
from gossip.core.roster import Roster
from gossip.core.sizes import cluster_bytes, message_bytes
from gossip.core.surroundings import Surroundings
from gossip.core.table import NodeTable
from gossip.core.types import (
    EVENT_RING_SLOTS,
    LamportTime,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    State,
    UserMessage,
)

INTERNAL_PREFIX: Final = "_serf_"  # never shown to the application
RELAY_VERSION: Final = 5  # protocol maximum from which a member relays responses
QUERY_ID_BOUND: Final = 1 << 31  # random ids are 31 bits
SLOT_QUERIES_MAX: Final = 512  # queries of one Lamport time; only a forger reaches it
OPEN_MAX: Final = 4096  # received queries still to be answered; the oldest gives way
TIMEOUT_S_MAX: Final = 24 * 3600.0  # a forged timeout must not keep a query open for ever
NS_PER_S: Final = 1_000_000_000
RELAYS_MAX: Final = 5  # copies of one response; Consul's limit for a relay factor
"""A relay factor above this is lowered."""


class _Open(msgspec.Struct, frozen=True):
    """A received query that we have not answered."""

    query: Query
    deadline: float


InternalQuery = Callable[[Query], None]


class Queries:
    """Asks, deduplicates, passes on and answers queries.

    ``internal`` maps a name after ``_serf_`` to the function that answers such a query.
    """

    def __init__(
        self,
        around: Surroundings,
        table: NodeTable,
        roster: Roster,
        clock: LamportClock,
        queue: BroadcastQueue,
        piggyback: Piggyback,
    ) -> None:
        self._around = around
        self._table = table
        self._roster = roster
        self._clock = clock
        self._queue = queue
        self._piggyback = piggyback
        self._ring: list[tuple[LamportTime, set[int]] | None] = [None] * EVENT_RING_SLOTS
        self._open: dict[tuple[int, int], _Open] = {}
        self.answers = Answers(around)
        self.internal: dict[str, InternalQuery] = {}
        self.time_min = LamportTime(0)

    # --- asking ---

    def ask(self, command: Ask) -> None:
        """Start a query for the application."""
        around, request = self._around, command.request

        def answered(sender: str, payload: bytes | None) -> None:
            around.emit(QueryAnswer(request, sender, payload))

        def finished(ack_count: int, response_count: int) -> None:
            around.emit(QueryFinished(request, ack_count, response_count))

        error = self.ask_for(command, answered, finished)
        around.emit(Completed(request, error))

    def ask_for(
        self,
        command: Ask,
        answered: Callable[[str, bytes | None], None],
        finished: Callable[[int, int], None],
    ) -> str:
        """Start a query with its own receivers; returns why not, or an empty text."""
        around, config = self._around, self._around.config
        timeout_s = command.timeout_s if command.timeout_s is not None else self.default_timeout_s()
        timeout_s = min(TIMEOUT_S_MAX, max(0.0, timeout_s))
        query = Query(
            time=self._clock.time,
            id=around.rng.randrange(QUERY_ID_BOUND),
            source=config.address,
            source_node=config.name,
            filters=command.filters,
            flags=QueryFlag.ACK if command.want_ack else QueryFlag.NONE,
            relay_factor=min(RELAYS_MAX, command.relay_factor),
            timeout_ns=int(timeout_s * NS_PER_S),
            name=command.name,
            payload=command.payload,
        )
        limit = min(config.query_bytes_max, packet_room_bytes(config) - COMPOUND_PART_BYTES - 1)
        if cluster_bytes(query) > limit:
            return f"query exceeds limit of {limit} bytes"
        if not self.answers.expect(query, len(self._roster), answered, finished):
            return "too many queries at once"
        self.receive(query)
        return ""

    def default_timeout_s(self) -> float:
        """Seconds for a query to reach everybody and for the answers to come back."""
        config = self._around.config
        rounds = math.ceil(math.log10(self._roster.alive_count + 1))
        return config.gossip_interval_s * config.query_timeout_mult * rounds

    # --- answering ---

    def receive(self, query: Query) -> None:
        """Pass on, acknowledge and deliver a query that is new."""
        self._clock.witness(query.time)
        if query.time < self.time_min or not self._remember(query):
            return
        if not query.flags & QueryFlag.NO_BROADCAST:
            message = UserMessage(query)
            self._queue.add(message, message_bytes(message))
        me = self._roster.get(self._around.config.name)
        if me is None or not passes(query.filters, me.name, me.node.tags):
            return
        if query.flags & QueryFlag.ACK:
            self._send(query, QueryFlag.ACK, b"")
        if query.name.startswith(INTERNAL_PREFIX):
            answer = self.internal.get(query.name.removeprefix(INTERNAL_PREFIX))
            if answer is not None:
                answer(query)
            return
        deadline = self._around.now + min(TIMEOUT_S_MAX, max(0, query.timeout_ns) / NS_PER_S)
        if len(self._open) >= OPEN_MAX:
            del self._open[next(iter(self._open))]
        self._open[query.time, query.id] = _Open(query, deadline)
        self._around.emit(QueryReceived(query, deadline))

    def respond(self, command: Respond) -> None:
        """Send the application's answer; once, in time and not too large."""
        opened = self._open.pop((command.time, command.id), None)
        if opened is None:
            error = "no such query, or it was answered"
        elif self._around.now > opened.deadline:
            error = "response is past the deadline"
        elif not self.answer(opened.query, command.payload):
            limit = self._around.config.query_response_bytes_max
            error = f"response exceeds limit of {limit} bytes"
        else:
            error = ""
        self._around.emit(Completed(command.request, error))

    def answer(self, query: Query, payload: bytes) -> bool:
        """Send a response; False when it is too large."""
        limit = self._around.config.query_response_bytes_max
        if cluster_bytes(self._response(query, QueryFlag.NONE, payload)) > limit:
            return False
        self._send(query, QueryFlag.NONE, payload)
        return True

    def relay(self, message: Relay) -> None:
        """Pass a response on to its asker."""
        if message.target == self._around.config.address:
            self.answers.take(message.message)
        else:
            self._piggyback.send(message.target, UserMessage(message.message))

    def forget_old(self) -> None:
        """Drop received queries whose time is over."""
        now = self._around.now
        self._open = {key: opened for key, opened in self._open.items() if opened.deadline >= now}

    def _remember(self, query: Query) -> bool:
        """Whether the query is new; from now on it is not."""
        if is_too_old(query.time, self._clock.time):
            self._around.warn("query too old", detail=query.name)
            return False
        place = query.time % EVENT_RING_SLOTS
        slot = self._ring[place]
        if slot is None or slot[0] != query.time:
            self._ring[place] = (query.time, {query.id})
            return True
        if query.id in slot[1] or len(slot[1]) >= SLOT_QUERIES_MAX:
            return False
        slot[1].add(query.id)
        return True

    def _response(self, query: Query, flags: QueryFlag, payload: bytes) -> QueryResponse:
        return QueryResponse(query.time, query.id, self._around.config.name, flags, payload)

    def _send(self, query: Query, flags: QueryFlag, payload: bytes) -> None:
        """Send an ack or a response to the asker, directly and through relays."""
        config = self._around.config
        response = self._response(query, flags, payload)
        if (query.source, query.source_node) == (config.address, config.name):
            self.answers.take(response)
            return
        self._piggyback.send(query.source, UserMessage(response))
        copies = min(RELAYS_MAX, query.relay_factor)
        if copies == 0 or len(self._roster) < copies + 1:
            return
        relay = UserMessage(Relay(query.source, query.source_node, response))
        relays = self._table.choose(
            copies,
            lambda node: (
                node.state is State.ALIVE
                and node.versions.protocol_max >= RELAY_VERSION
                and node.name != config.name
            ),
        )
        for node in relays:
            self._piggyback.send(node.address, relay)
