"""What both ends of a connection do: hello, frames, pings, back-pressure, the end.

Frames of one turn of the loop leave in one write. An end that breaks the rules is told why and
left; one that falls silent is left too.
"""

import asyncio
from typing import Final

from typing_extensions import override

from agent.rpc import wire

SEND_BUFFER_BYTES: Final = 1024 * 1024  # one part: above it senders wait
KEEPALIVE_INTERVAL_S: Final = 15.0  # two silent ones end a connection: a dead host is seen in 30 s
# A server cut off from a leader has another one within seconds; what it asked the old one is then
# not to wait for longer than the hold time (7 s).
SERVERS_KEEPALIVE_INTERVAL_S: Final = 3.0
CLOSE_GRACE_S: Final = 2.0  # for what is buffered to reach the other end, before it is dropped


class End(asyncio.Protocol):
    """One end. ``peer`` is the other one's hello, ``lost_reason`` why the connection ended.

    ``handshake_timeout_s`` bounds the wait for that hello; 0 is no limit.
    """

    def __init__(self, hello: wire.Hello, handshake_timeout_s: float) -> None:
        self.peer: wire.Hello | None = None
        self.lost_reason = ""
        self._hello = hello
        self._handshake_timeout_s = handshake_timeout_s
        self._transport: asyncio.Transport | None = None
        self._reader = wire.FrameReader()
        self._bodies = wire.Bodies()
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._pinged = False
        self._ended = asyncio.Event()

    # The transport's events.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's own class
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        if self._handshake_timeout_s > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._handshake_timeout_s, self.close, "no hello in time")

    @override
    def data_received(self, data: bytes) -> None:
        self._heard = True
        try:
            for frame in self._reader.feed(data):
                if self._ended.is_set():
                    return
                self._take(frame)
        except wire.BadFrame as error:
            self.close(str(error))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(str(exc) if exc else "closed by the other end")
        self._stop_timer()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._heard = True  # it takes what is sent to it: a slow end is not a silent one
        self._writable.set()

    # The life of the connection.

    @property
    def usable(self) -> bool:
        """Whether the hellos were exchanged and the connection has not ended."""
        return self.peer is not None and not self._ended.is_set()

    def close(self, reason: str) -> None:
        """End the connection and tell the other end why."""
        if self._ended.is_set():
            return
        self._send(wire.Error(wire.CONNECTION_ID, "RpcError", reason))
        self._flush()
        self._end(reason)

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        await self._ended.wait()

    def _end(self, reason: str) -> None:
        if self._ended.is_set():
            return
        self.lost_reason = self.lost_reason or reason
        self._ended.set()
        self._writable.set()  # who waits to send must learn of the end
        self._stop_timer()
        transport = self._transport
        if transport is not None:
            transport.close()
            # Closing waits for the other end to read, and with TLS for its goodbye.
            self._timer = asyncio.get_running_loop().call_later(CLOSE_GRACE_S, transport.abort)
        self._on_end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _keepalive_interval_s(self) -> float:
        own, peer = self._hello, self.peer
        assert peer is not None, "connections are kept alive after the hellos"
        is_among_servers = own.role is peer.role is wire.Role.SERVER
        if is_among_servers and own.datacenter == peer.datacenter:
            return SERVERS_KEEPALIVE_INTERVAL_S
        return KEEPALIVE_INTERVAL_S

    def _keep_alive(self) -> None:
        if not self._heard and self._pinged:
            self._end("no answer to a ping")
            return
        self._pinged = not self._heard
        self._heard = False
        if self._pinged:
            self._send(wire.Ping())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._keepalive_interval_s, self._keep_alive)

    # Frames.

    def _take(self, frame: wire.Frame) -> None:
        match frame:
            case wire.Error(id=wire.CONNECTION_ID):
                self._end(frame.text)
            case wire.Hello():
                self._greet(frame)
            case _ if self.peer is None:
                raise wire.BadFrame("the first frame is no hello")
            case wire.Ping():
                self._send(wire.Pong())
            case wire.Pong():
                pass
            case wire.Part():
                if self._expects(frame.id):
                    self._bodies.add(frame)
            case _:
                self._handle(frame)

    def _greet(self, hello: wire.Hello) -> None:
        if self.peer is not None:
            raise wire.BadFrame("a second hello")
        self._on_hello()
        if hello.version != wire.PROTOCOL_VERSION:
            raise wire.BadFrame(
                f"protocol version {hello.version}; only {wire.PROTOCOL_VERSION} is spoken here"
            )
        self.peer = hello
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._keepalive_interval_s, self._keep_alive)
        self._on_ready()

    def _send(self, frame: wire.Frame) -> None:
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        encoded = wire.encode(frame)
        self._outbox.append(encoded)
        self._outbox_bytes += len(encoded)
        if self._outbox_bytes > SEND_BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        self._outbox_bytes = 0
        if outbox and self._transport is not None and not self._ended.is_set():
            self._transport.write(b"".join(outbox))

    async def _send_parts(self, request_id: int, body: bytes) -> bytes:
        """Send all pieces of a body but the last, and give that one back."""
        *parts, last = wire.pieces(body)
        for piece in parts:
            await self._until_writable()
            self._send(wire.Part(request_id, piece))
        await self._until_writable()
        return last

    async def _until_writable(self) -> None:
        # All who wait wake up together, and the first may fill the socket again.
        while not self._writable.is_set():
            await self._writable.wait()

    def _expects(self, request_id: int) -> bool:
        """Whether a piece of a body with this id is wanted."""
        raise NotImplementedError

    def _handle(self, frame: wire.Frame) -> None:
        raise NotImplementedError

    def _on_hello(self) -> None:
        """The other end has said who it is; it may be of another version."""

    def _on_ready(self) -> None:
        raise NotImplementedError

    def _on_end(self) -> None:
        raise NotImplementedError
