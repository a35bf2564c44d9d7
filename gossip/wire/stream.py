"""The one message that each side of a TCP connection sends, around its framing.

On the wire, outermost first: label header (from the dialer only), ``0a length payload`` when
encrypted, ``09 {Algo, Buf}`` when compressed, then the type byte and the message:
ping, ack and error as in packets; ``06 {Nodes, UserStateLen, Join}``, the nodes, the user state;
``08 {UserMsgLen}``, a Serf message. ``StreamReader`` reads pieces of any size as they arrive,
``seal_stream`` writes.
Source: memberlist's stream path. The signed data of an encrypted stream is the five framing
bytes and the label, also in the reply, which has no label header.
Limits: below, each by name; a declared length or count is refused when it is over its limit and
allocates nothing by itself.
Failure: ``StreamReader.feed`` raises WireError, once; the driver then answers with an
``ErrorReply`` where the protocol wants one. Nodes and a user state that break a limit of their
own are left out and listed in ``faults``: real agents pass on such nodes.
"""

import struct as binary
from collections.abc import Generator
from typing import Any, Final, assert_never

from gossip.core.types import (
    NO_VERSIONS,
    Ack,
    ClusterState,
    ErrorReply,
    Incarnation,
    NodeState,
    Ping,
    PushPull,
    State,
    StreamMessage,
    UserMessage,
)
from gossip.wire.envelope import (
    LABEL_HEAD_BYTES,
    NonceSource,
    Wrapping,
    compressed,
    decompressed,
    label_header,
    without_label,
)
from gossip.wire.errors import Reason, WireError
from gossip.wire.extent import Extent
from gossip.wire.keyring import OVERHEAD_BYTES
from gossip.wire.layout import (
    UINT8_MAX,
    UINT32_MAX,
    UINT64_MAX,
    Fields,
    address,
    flag,
    pack,
    subject,
    text,
    unpack_struct,
    unsigned,
)
from gossip.wire.messages import (
    Type,
    decode_ack,
    decode_ping,
    encode_packet,
    metadata,
    versions,
)
from gossip.wire.serf import decode_cluster, decode_state, encode_cluster, encode_state

MEBIBYTE: Final = 1024 * 1024
STREAM_BYTES_MAX: Final = 40 * MEBIBYTE
"""A whole stream, and what it decompresses to: twice the largest user state, as memberlist."""
SEALED_BYTES_MAX: Final = 20 * MEBIBYTE  # an encrypted payload, and a compressed buffer
USER_STATE_BYTES_MAX: Final = 20 * MEBIBYTE
USER_MESSAGE_BYTES_MAX: Final = 20 * MEBIBYTE
NODES_MAX: Final = 1024 * 1024  # memberlist's own cap on a push/pull
NODE_BYTES_MAX: Final = 64 * 1024  # a real one has some 100 bytes plus its meta of at most 512
HEADER_BYTES_MAX: Final = 8 * 1024  # headers, pings and acks: some 20 to 250 bytes
ERROR_BYTES_MAX: Final = 64 * 1024  # a text for people
DEPTH_MAX: Final = 8  # the deepest message is a map of raws; unknown keys may hold more
ITEMS_MAX: Final = 1024
FAULTS_MAX: Final = 64  # faults kept of one stream; the rest is left out without a word
FRAME_HEAD_BYTES: Final = 5  # type byte and length of an encrypted payload

PUSH_PULL_KEYS: Final = (b"Nodes", b"UserStateLen", b"Join")
NODE_KEYS: Final = (b"Name", b"Addr", b"Port", b"Meta", b"Incarnation", b"State", b"Vsn")
USER_KEYS: Final = (b"UserMsgLen",)
ERROR_KEYS: Final = (b"Error",)


def seal_stream(
    message: StreamMessage, wrapping: Wrapping, nonces: NonceSource, *, dialer: bool
) -> bytes:
    """Give all bytes that one side sends. A stream is compressed even when it does not shrink.

    Raises WireError OVERSIZED when it is larger than a peer would read.
    """
    plain = encode_stream(message)
    if wrapping.compression:
        plain = compressed(plain)
    size_max = SEALED_BYTES_MAX if wrapping.encrypts else STREAM_BYTES_MAX
    if len(plain) + OVERHEAD_BYTES > size_max:
        raise WireError(Reason.OVERSIZED, f"a stream of {len(plain)} bytes is over {size_max}")
    if wrapping.encrypts:
        head = binary.pack(">BI", Type.ENCRYPT, len(plain) + OVERHEAD_BYTES)
        associated = head + wrapping.label
        plain = head + wrapping.keyring.encrypt(plain, nonce=nonces(), associated=associated)
    return (label_header(wrapping.label) if dialer else b"") + plain


def encode_stream(message: StreamMessage) -> bytes:
    """Give the bare message: type byte and body."""
    match message:
        case Ping() | Ack():
            return encode_packet(message)
        case PushPull():
            state = b"" if message.state is None else encode_state(message.state)
            header = {
                "Join": message.join,
                "Nodes": len(message.nodes),
                "UserStateLen": len(state),
            }
            nodes = [pack(_node_fields(node)) for node in message.nodes]
            return b"".join((b"\x06", pack(header), *nodes, state))
        case UserMessage():
            inner = encode_cluster(message.message)
            return b"\x08" + pack({"UserMsgLen": len(inner)}) + inner
        case ErrorReply():
            return b"\x0d" + pack({"Error": message.text})
        case _:
            assert_never(message)


def _node_fields(node: NodeState) -> dict[str, bytes | int | str]:
    return {
        "Addr": node.address.ip,
        "Incarnation": node.incarnation,
        "Meta": node.meta,
        "Name": node.name,
        "Port": node.address.port,
        "State": int(node.state),
        "Vsn": binary.pack("6B", *node.versions),
    }


class StreamReader:
    """Reads one message from one side of a connection.

    Feed it until it gives the message. ``faults`` says what was left out of it.
    """

    def __init__(self, wrapping: Wrapping, *, from_dialer: bool) -> None:
        """``from_dialer``: we accepted, so a label header comes first if the pool has one."""
        self.faults: list[WireError] = []
        self._wrapping = wrapping
        self._from_dialer = from_dialer
        self._buffer = bytearray()
        self._offset = 0  # of the first byte that was not taken yet
        self._whole = False  # the buffer was unwrapped at once: nothing more comes
        self._received_bytes = 0
        self._parser = self._message()
        next(self._parser)  # runs to its first wait for bytes

    def feed(self, received: bytes) -> StreamMessage | None:
        """Take what arrived; give the message once it is complete, else ``None``.

        Not to be called again after the message or an error. Raises WireError.
        """
        self._received_bytes += len(received)
        if self._received_bytes > STREAM_BYTES_MAX:
            raise WireError(Reason.OVERSIZED, f"a stream of more than {STREAM_BYTES_MAX} bytes")
        self._buffer += received
        try:
            next(self._parser)
        except StopIteration as complete:
            message: StreamMessage = complete.value
            return message
        return None

    def end(self) -> WireError:
        """Give the error to report when the peer closed before the message was complete."""
        if self._received_bytes:
            return WireError(Reason.TRUNCATED, "the peer closed in the middle of a message")
        return WireError(Reason.EMPTY, "the peer closed without a message")

    # Everything below yields when it needs bytes that have not arrived.

    def _message(self) -> Generator[None, None, StreamMessage]:
        yield
        if self._from_dialer:
            yield from self._label()
        yield from self._decryption()
        code = (yield from self._take(1))[0]
        if code == Type.COMPRESS:
            body = yield from self._value(SEALED_BYTES_MAX)
            self._replace(decompressed(body, bytes_max=STREAM_BYTES_MAX))
            code = (yield from self._take(1))[0]
        match code:
            case Type.PING:
                return decode_ping((yield from self._value(HEADER_BYTES_MAX)))
            case Type.ACK:
                return decode_ack((yield from self._value(HEADER_BYTES_MAX)))
            case Type.PUSH_PULL:
                return (yield from self._push_pull())
            case Type.USER:
                fields = unpack_struct((yield from self._value(HEADER_BYTES_MAX)), USER_KEYS)
                length = _length(fields, b"UserMsgLen", USER_MESSAGE_BYTES_MAX)
                return UserMessage(decode_cluster((yield from self._take(length))))
            case Type.ERROR:
                fields = unpack_struct((yield from self._value(ERROR_BYTES_MAX)), ERROR_KEYS)
                return ErrorReply(text(fields.get(b"Error")))
            case _:
                raise WireError(Reason.UNSUPPORTED, f"message type {code} in a stream")

    def _label(self) -> Generator[None, None, None]:
        header = b""
        if (yield from self._peek()) == Type.LABEL:
            header = yield from self._take(LABEL_HEAD_BYTES)
            header += yield from self._take(header[1])
        without_label(header, self._wrapping)

    def _decryption(self) -> Generator[None, None, None]:
        keyring = self._wrapping.keyring
        if (yield from self._peek()) != Type.ENCRYPT:
            if keyring.enabled and self._wrapping.verify_incoming:
                raise WireError(
                    Reason.PLAINTEXT, "encryption is configured but remote state is not encrypted"
                )
            return
        if not keyring.enabled:
            raise WireError(
                Reason.ENCRYPTED, "remote state is encrypted and encryption is not configured"
            )
        head = yield from self._take(FRAME_HEAD_BYTES)
        length = int.from_bytes(head[1:], "big")
        if length > SEALED_BYTES_MAX:
            raise WireError(Reason.OVERSIZED, f"an encrypted payload of {length} bytes")
        payload = yield from self._take(length)
        self._replace(keyring.decrypt(payload, associated=head + self._wrapping.label))

    def _push_pull(self) -> Generator[None, None, PushPull]:
        header = unpack_struct((yield from self._value(HEADER_BYTES_MAX)), PUSH_PULL_KEYS)
        state_bytes = _length(header, b"UserStateLen", USER_STATE_BYTES_MAX)
        nodes: list[NodeState] = []
        for _ in range(_length(header, b"Nodes", NODES_MAX)):
            packed = yield from self._value(NODE_BYTES_MAX)
            try:
                nodes.append(_node(packed))
            except WireError as error:
                self._note(error)
        state = yield from self._take(state_bytes)
        return PushPull(
            nodes=tuple(nodes), join=flag(header.get(b"Join")), state=self._user_state(state)
        )

    def _user_state(self, packed: bytes) -> ClusterState | None:
        if not packed:
            return None
        try:
            return decode_state(packed)
        except WireError as error:
            self._note(error)
            return None

    def _note(self, error: WireError) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(error.without_frames())

    def _replace(self, plain: bytes) -> None:
        """Go on with what a layer held, which is all there is."""
        self._buffer, self._offset, self._whole = bytearray(plain), 0, True

    def _peek(self) -> Generator[None, None, int]:
        yield from self._available(1)
        return self._buffer[self._offset]

    def _take(self, length: int) -> Generator[None, None, bytes]:
        yield from self._available(length)
        start = self._offset
        self._offset = start + length
        return bytes(self._buffer[start : self._offset])

    def _available(self, length: int) -> Generator[None, None, None]:
        while len(self._buffer) < self._offset + length:
            yield from self._more()

    def _value(self, bytes_max: int) -> Generator[None, None, bytes]:
        """Take one msgpack value, whose extent alone is checked here."""
        extent = Extent(self._offset, depth_max=DEPTH_MAX, items_max=ITEMS_MAX, bytes_max=bytes_max)
        while (end := extent.advance(self._buffer)) is None:
            yield from self._more()
        start, self._offset = self._offset, end
        return bytes(self._buffer[start:end])

    def _more(self) -> Generator[None, None, None]:
        if self._whole:
            raise WireError(Reason.TRUNCATED, "a message ends before its declared length")
        yield


def _length(fields: Fields, key: bytes, maximum: int) -> int:
    value = unsigned(fields.get(key), UINT64_MAX)
    if value > maximum:
        raise WireError(Reason.OVERSIZED, f"{key.decode()} is {value}, over {maximum}")
    return value


def _node(packed: bytes) -> NodeState:
    fields = unpack_struct(packed, NODE_KEYS)
    return NodeState(
        name=subject(fields.get(b"Name")),
        address=address(fields.get(b"Addr"), fields.get(b"Port")),
        meta=metadata(fields.get(b"Meta")),
        incarnation=Incarnation(unsigned(fields.get(b"Incarnation"), UINT32_MAX)),
        state=_state(fields.get(b"State")),
        versions=versions(fields.get(b"Vsn")) or NO_VERSIONS,
    )


def _state(value: Any) -> State:
    number = unsigned(value, UINT8_MAX)
    if number > State.LEFT:
        raise WireError(Reason.MALFORMED, f"node state {number}")
    return State(number)
