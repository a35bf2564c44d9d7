"""The core, kept running: events in, effects out, one timer.

Whatever arrives becomes an event; ``GossipNode.step`` takes it and gives effects; they are
carried out in order; the timer moves to the core's next deadline. Packets are taken in the
socket's own callback, so a probe never waits for a task. What carrying out brings up at once (a
listener that responds, a socket that refuses) queues behind the step under way, at most one event
for each effect.
"""

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from gossip.alarm import Alarm
from gossip.core.effects import (
    AnswerStream,
    AppendSnapshot,
    Completed,
    Effect,
    KeyringAnswer,
    KeyringChanged,
    OpenStream,
    QueryAnswer,
    QueryFinished,
    ReplaceSnapshot,
    SendPacket,
    Stop,
    Warn,
)
from gossip.core.inputs import (
    Event,
    PacketReceived,
    Respond,
    SendRefused,
    StreamAnswered,
    StreamRequested,
    Woke,
)
from gossip.core.node import GossipNode
from gossip.core.types import Address, Ping, Query, StreamMessage
from gossip.drops import Drops
from gossip.endpoints import Endpoints
from gossip.errors import KeyringFileError
from gossip.keyring_file import save_keys
from gossip.notices import Notices, Told
from gossip.requests import Requests
from gossip.snapshot_file import SnapshotFile
from gossip.streams import StreamError, Streams
from gossip.surroundings import Listener, Surroundings
from gossip.wire.envelope import Wrapping, open_packet, seal_packets
from gossip.wire.errors import WireError
from gossip.wire.keyring import Keyring
from gossip.wire.messages import decode_packet, encode_packet

UNATTENDED: Final = 0  # the request number of commands whose caller does not wait

_log = logging.getLogger("gossip")


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Where effects go: the network, the disk (None: nothing is kept), the application."""

    endpoints: Endpoints
    keyring_path: Path | None
    snapshot: SnapshotFile | None
    listener: Listener
    drops: Drops


class Engine:
    """Steps ``node`` and carries its effects out. ``handle`` is the one way in."""

    def __init__(
        self, node: GossipNode, wrapping: Wrapping, outside: Outside, surroundings: Surroundings
    ) -> None:
        self.node = node
        self.requests = Requests()
        self.streams = Streams(
            outside.endpoints,
            lambda: self._wrapping,
            surroundings.nonce,
            outside.drops,
            surroundings.start_task,
        )
        self._wrapping = wrapping
        self._outside = outside
        self._drops = outside.drops
        self._surroundings = surroundings
        self._notices = Notices(outside.listener, self._respond)
        self._alarm = Alarm(lambda: self.handle(Woke()), surroundings.monotonic_s)
        self._inbox: deque[Event] = deque()
        self._is_stepping = False
        self._is_stopped = False
        self._coordinate = node.coordinates.coordinate
        self._last_stream = 0
        self._answers: dict[int, asyncio.Future[StreamMessage | None]] = {}

    # --- in ---

    def handle(self, event: Event) -> None:
        """Take one event and carry out everything that follows from it."""
        self._inbox.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._inbox and not self._is_stopped:
                effects = self.node.step(self._inbox.popleft(), self._surroundings.monotonic_s())
                for effect in effects:
                    self._carry_out(effect)
        finally:
            self._inbox.clear()
            self._is_stepping = False
            if not self._is_stopped:
                # Also after a fault of ours: one lost event must not stop every timer.
                self._alarm.set(self.node.next_deadline)
        self._watch_coordinate()

    def packet(self, datagram: bytes, sender: Address) -> None:
        """Take one datagram."""
        try:
            opened = open_packet(datagram, self._wrapping)
        except WireError as error:
            self._drops.refused("packet", error)
            return
        for fault in opened.faults:
            self._drops.refused("packet part", fault)
        for bare in opened.messages:
            try:
                message = decode_packet(bare)
            except WireError as error:
                self._drops.refused("packet part", error)
            else:
                self.handle(PacketReceived(message, sender))

    async def answer(self, request: StreamMessage) -> StreamMessage | None:
        """The core's answer to what a peer sent over a stream."""
        if self._is_stopped:
            return None
        self._last_stream += 1
        stream = self._last_stream
        self._answers[stream] = asyncio.get_running_loop().create_future()
        try:
            self.handle(StreamRequested(stream, request))
            return await self._answers[stream]
        finally:
            del self._answers[stream]

    def stop(self, reason: str) -> None:
        """Be deaf and mute from now on; whoever waits hears ``reason``."""
        self._is_stopped = True
        self.requests.close(reason)
        self._alarm.set(None)

    # --- out ---

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SendPacket():
                self._send(effect)
            case OpenStream():
                self._surroundings.start_task("gossip dialled stream", self._ask(effect))
            case AnswerStream(stream=stream, message=message):
                future = self._answers.get(stream)
                if future is not None and not future.done():
                    future.set_result(message)
            case AppendSnapshot() | ReplaceSnapshot():
                self._record(effect)
            case Warn(what=what, node=node, detail=detail):
                self._drops.count(what, f"{node} {detail}".strip())
            case Completed(request=request, error=error) if request == UNATTENDED:
                if error:
                    self._drops.count("background command failed", error)
            case Completed() | KeyringAnswer() | QueryAnswer() | QueryFinished():
                self.requests.take(effect)
            case _:
                self._tell(effect)

    def _tell(self, told: Told) -> None:
        if isinstance(told, KeyringChanged):
            self._change_keys(told.keys)
        elif isinstance(told, Stop):
            _log.error("gossip stops: %s", told.reason)
            self.stop(told.reason)
        self._notices.tell(told)

    def _send(self, effect: SendPacket) -> None:
        messages = effect.messages
        try:
            packets = seal_packets(
                [encode_packet(message) for message in messages],
                self._wrapping,
                self._surroundings.nonce,
                checksum=effect.checksum,
            )
            for packet in packets:
                self._outside.endpoints.send(packet, effect.to)
        except WireError as error:
            self._drops.refused("sending", error)
        except OSError as error:
            self._drops.count("send refused", str(error))
            for message in messages:
                if isinstance(message, Ping):
                    self._inbox.append(SendRefused(message.sequence))

    async def _ask(self, effect: OpenStream) -> None:
        timeout_s = max(0.0, effect.deadline - self._surroundings.monotonic_s())
        try:
            message = await self.streams.ask(effect.to, effect.message, timeout_s)
        except StreamError as error:
            self.handle(StreamAnswered(effect.stream, None, str(error)))
        else:
            self.handle(StreamAnswered(effect.stream, message))

    def _record(self, effect: AppendSnapshot | ReplaceSnapshot) -> None:
        snapshot = self._outside.snapshot
        assert snapshot is not None, "the core records only when there is a file"
        if isinstance(effect, AppendSnapshot):
            snapshot.append(effect.lines, sync=effect.sync)
        else:
            snapshot.replace(effect.lines)

    def _change_keys(self, keys: tuple[bytes, ...]) -> None:
        """Use other keys; they are on disk before the answer to whoever asked for it leaves."""
        self._wrapping = msgspec.structs.replace(self._wrapping, keyring=Keyring(*keys))
        if self._outside.keyring_path is None:
            return
        try:
            save_keys(self._outside.keyring_path, keys)
        except KeyringFileError as error:
            _log.error("%s; a restart would use older keys", error)
            self._drops.count("keyring file not written", str(error))

    def _respond(self, query: Query, payload: bytes) -> None:
        self.handle(Respond(UNATTENDED, query.time, query.id, payload))

    def _watch_coordinate(self) -> None:
        coordinate = self.node.coordinates.coordinate
        if coordinate is not self._coordinate:
            self._coordinate = coordinate
            self._notices.tell(coordinate)
