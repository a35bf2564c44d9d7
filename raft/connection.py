"""One connection between two servers of a log: hello, messages both ways, a bound, an end.

Either end may have dialled; after the hellos both send. What does not fit into the connection's
buffer is not taken (``put`` is False): the sender of a message that is lost anyway learns it at
once. The newest is the one to go: those before it are in order already, and what follows a gap
would be refused by the receiver.

An end that breaks the rules is told why and left. Limits: BUFFER_BYTES_MAX, ``Times``.
"""

import asyncio
import socket
from typing import Final, Protocol, cast

import msgspec
from typing_extensions import override

from raft import wire
from raft.core.types import Message
from raft.wire import Bad, BadFrame, Channel, FrameReader, Goodbye, Hello

# Bytes that wait for a peer that does not read; each takes the largest frame of its channel.
BUFFER_BYTES_MAX: Final = {
    Channel.URGENT: 256 * 1024,  # thousands of heartbeats and answers, minutes of them
    Channel.APPENDS: 2 * wire.FRAME_BYTES_MAX,  # the window of two Appends, each as large as can be
    Channel.SNAPSHOTS: wire.FRAME_BYTES_MAX,  # one chunk is under way at a time
}
CLOSE_GRACE_S: Final = 2.0  # for a goodbye to reach the other end, before its bytes are dropped
KEEPALIVE_S: Final = 15  # an idle connection to a host that is gone is found in three of these
KEEPALIVE_PROBES_MAX: Final = 2  # unanswered ones that end it


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, seconds; all follow from the election timeout."""

    connect_s: float
    hello_s: float
    backoff_max_s: float
    stable_s: float  # a connection that holds so long was no accident
    unacknowledged_s: float  # what the other host has not acknowledged by then ends the connection

    @staticmethod
    def of(election_timeout_s: float) -> "Times":
        """A returning server must hear of its leader before it stands for election itself."""
        return Times(
            connect_s=2 * election_timeout_s,
            hello_s=2 * election_timeout_s,
            backoff_max_s=election_timeout_s / 2,
            stable_s=election_timeout_s,
            unacknowledged_s=2 * election_timeout_s,
        )


class Owner(Protocol):
    """What the connections of a server report to: raft.transport.Transport."""

    times: Times

    def hello(self, peer_id: str, channel: Channel) -> Hello:
        """What this server says of itself."""

    def meet(self, connection: "Connection", hello: Hello) -> str:
        """What speaks against going on with this peer; "" if nothing does."""

    def greeted(self, connection: "Connection") -> None:
        """Messages may be sent from now on."""

    def received(self, connection: "Connection", message: Message) -> None:
        """A message came."""

    def ended(self, connection: "Connection") -> None:
        """Nothing comes or goes any more; reported once, greeted or not."""

    def count(self, name: str) -> None:
        """Something to be counted happened."""


class Connection(asyncio.Protocol):
    """What both ends have in common.

    ``peer`` is the other end's hello, ``said`` the own one, ``end_reason`` why it ended.
    """

    def __init__(self, owner: Owner, preamble: bytes = b"") -> None:
        self.peer: Hello | None = None
        self.said: Hello | None = None
        self.end_reason = ""
        self.ready = asyncio.Event()  # greeted, or ended before that
        self.ended = asyncio.Event()  # nothing comes or goes any more
        self.gone = asyncio.Event()  # the socket is closed
        self._owner = owner
        self._reader = FrameReader(preamble)
        self._transport: asyncio.Transport | None = None
        self._outbox: list[bytearray] = []
        self._outbox_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    # The transport's events.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such base
        if self.end_reason:  # by whoever stopped waiting for it
            self._transport.abort()
            return
        _tune(self._transport, self._owner.times.unacknowledged_s)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._owner.times.hello_s, self.end, "no hello in time")

    @override
    def data_received(self, data: bytes) -> None:
        if self.ended.is_set():
            return
        try:
            for frame in self._reader.feed(data):
                if self.ended.is_set():
                    return
                self._take(frame)
        except BadFrame as error:
            self._owner.count(f"raft.transport.bad_frame.{error.kind}")
            self.end(str(error))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish(str(exc) if exc else "closed by the other end")
        self._stop_timer()
        self.gone.set()

    def undialled(self) -> None:
        """The dial was given up: no socket is left.

        uvloop closes the one that had just connected, and does not say so; nothing may be written.
        """
        self._transport = None
        self._stop_timer()
        if self.end_reason:
            self.gone.set()

    # Sending.

    @property
    def usable(self) -> bool:
        """Whether messages can be sent."""
        return self.peer is not None and not self.end_reason

    def put(self, frame: bytearray) -> bool:
        """Take a message to be sent by ``flush``; False if there is no room for it."""
        assert self.peer is not None
        assert self._transport is not None
        waiting_bytes = self._outbox_bytes + self._transport.get_write_buffer_size()
        if waiting_bytes + len(frame) > BUFFER_BYTES_MAX[self.peer.channel]:
            return False
        self._outbox.append(frame)
        self._outbox_bytes += len(frame)
        return True

    def flush(self) -> None:
        """Send what was put, in one write."""
        outbox, self._outbox = self._outbox, []
        self._outbox_bytes = 0
        if outbox and self._transport is not None:
            self._transport.write(b"".join(outbox))

    def end(self, reason: str) -> None:
        """Leave, and tell the other end why."""
        if self._transport is not None and not self.end_reason:
            reason = reason[: wire.REASON_LENGTH_MAX]
            self._transport.write(wire.encode_handshake(Goodbye(reason)))
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        if self.end_reason:
            return
        self.end_reason = reason or "no reason given"
        self._outbox.clear()
        self._stop_timer()
        self.ready.set()
        self.ended.set()
        if self._transport is None:
            self.gone.set()
        else:
            # Closing waits for the other end to read, and with TLS for its goodbye.
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(CLOSE_GRACE_S, self._transport.abort)
        self._owner.ended(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Receiving.

    def _take(self, frame: wire.Received) -> None:
        match frame:
            case Goodbye(reason):
                self._finish(reason)
            case Hello() if self.peer is not None:
                raise BadFrame(Bad.ORDER, "a second hello")
            case Hello():
                self._greet(frame)
            case _ if self.peer is None:
                raise BadFrame(Bad.ORDER, "the first frame is no hello")
            case _:
                self._owner.received(self, frame)

    def _greet(self, hello: Hello) -> None:
        objection = self._owner.meet(self, hello)
        if objection:
            self._owner.count("raft.transport.hello_refused")
            self.end(objection)
        if self.end_reason:
            return
        if self.said is None:
            self._say_hello(hello.from_id, hello.channel)
        self.peer = hello
        self._stop_timer()
        self.ready.set()
        self._owner.greeted(self)

    def _say_hello(self, peer_id: str, channel: Channel, preamble: bytes = b"") -> None:
        assert self._transport is not None
        self.said = self._owner.hello(peer_id, channel)
        self._transport.write(preamble + wire.encode_handshake(self.said))


class Dialled(Connection):
    """The end that dialled: it knows whom it wants, and speaks first."""

    def __init__(self, owner: Owner, peer_id: str, channel: Channel) -> None:
        super().__init__(owner)
        self.peer_id = peer_id
        self.channel = channel

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self.end_reason:
            self._say_hello(self.peer_id, self.channel, wire.PREAMBLE)


class Accepted(Connection):
    """The end that was dialled: it waits for the preamble, and answers the hello."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner, wire.PREAMBLE)


def _tune(transport: asyncio.Transport, unacknowledged_s: float) -> None:
    """Send at once, and notice a host that is gone before the kernel would (15 minutes)."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEPALIVE_S),
        (socket.TCP_KEEPINTVL, KEEPALIVE_S),
        (socket.TCP_KEEPCNT, KEEPALIVE_PROBES_MAX),
        # Also bounds its resending, which after a cut of minutes would come minutes too late.
        (socket.TCP_USER_TIMEOUT, round(unacknowledged_s * 1000)),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
