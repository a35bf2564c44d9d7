"""Around a packet's messages: label, encryption, checksum, compression, compound.

On the wire, outermost first: ``f4 length label``, the encrypted payload (no type byte of its
own), ``0c crc32``, ``09 {Algo, Buf}``, ``07 count lengths parts``, message. Each layer may be
missing. ``open_packet`` takes them off, ``seal_packets`` puts them on.
Source: memberlist's packet path; a checksum counts only directly below the encryption.
Limits: below, each by name. Compression and compounds may nest, as memberlist allows, but the
depth, the parts and the decompressed bytes of one packet are each limited in sum.
Failure: a fault outside (label, key, checksum) refuses the packet with WireError; a fault in one
part of a compound drops that part and is listed in ``Opened.faults``.
"""

import struct as binary
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

import msgspec

from gossip.wire import lzw
from gossip.wire.errors import Reason, WireError
from gossip.wire.keyring import OVERHEAD_BYTES, Keyring
from gossip.wire.layout import UINT8_MAX, pack, raw, unpack_struct, unsigned
from gossip.wire.messages import PACKET_TYPES, Type

PACKET_READ_BYTES_MAX: Final = 65536  # the largest datagram there is, and memberlist's read buffer
PACKET_BYTES_MAX: Final = 1400  # memberlist's UDPBufferSize: one Ethernet frame, headers included
PARTS_MAX: Final = 255  # the count of a compound is one byte
PART_BYTES_MAX: Final = 65535  # a length in a compound is two bytes
OPENED_PARTS_MAX: Final = 1024
"""Parts of one packet over all its compounds; a real packet has one compound."""
NESTING_MAX: Final = 4  # a real packet is compound in compress, or compress in compound
DECOMPRESSED_BYTES_MAX: Final = 1024 * 1024
"""Over all layers of one packet. Senders fill packets by their size before compression, so a
real one stays below a datagram; this leaves room and still bounds the work of one packet."""
LABEL_BYTES_MAX: Final = 255  # the length of a label is one byte
COMPRESS_BYTES_MIN: Final = 64
"""Shorter messages do not shrink: the wrapping alone adds 13 bytes. Saves the attempt."""

LABEL_HEAD_BYTES: Final = 2
CRC_HEAD_BYTES: Final = 5
COMPOUND_HEAD_BYTES: Final = 2
COMPOUND_PART_BYTES: Final = 2  # a part's entry in the table of lengths
LZW: Final = 0
COMPRESS_KEYS: Final = (b"Algo", b"Buf")

NonceSource = Callable[[], bytes]
"""Gives 12 fresh random bytes (``secrets.token_bytes(12)`` at the edge)."""


class Wrapping(msgspec.Struct, frozen=True):
    """How a pool wraps what it sends, and what it insists on when it receives."""

    keyring: Keyring
    label: bytes = b""
    verify_incoming: bool = True  # false: what cannot be decrypted is taken as plain
    verify_outgoing: bool = True  # false: send plain although there is a key
    skip_inbound_label_check: bool = False  # true: the header must be absent, ours is assumed
    compression: bool = True
    packet_bytes_max: int = PACKET_BYTES_MAX

    def __post_init__(self) -> None:
        assert len(self.label) <= LABEL_BYTES_MAX, "a label has at most 255 bytes"

    @property
    def encrypts(self) -> bool:
        """Whether what we send is encrypted."""
        return self.keyring.enabled and self.verify_outgoing


class Opened(msgspec.Struct, frozen=True):
    """A packet's bare messages (type byte and body) and why parts of it were dropped."""

    messages: tuple[bytes, ...]
    faults: tuple[WireError, ...] = ()


def packet_overhead_bytes(wrapping: Wrapping) -> int:
    """Bytes that label, encryption and checksum may take of every packet.

    A checksum is counted always, so that a packet's size does not depend on its target; so is
    encryption whenever there is a key.
    """
    label = LABEL_HEAD_BYTES + len(wrapping.label) if wrapping.label else 0
    return label + CRC_HEAD_BYTES + (OVERHEAD_BYTES if wrapping.keyring.enabled else 0)


def seal_packets(
    messages: Sequence[bytes], wrapping: Wrapping, nonces: NonceSource, *, checksum: bool
) -> list[bytes]:
    """Give the datagrams for one target that carry ``messages`` in order.

    Several messages share a compound; more datagrams are made when they do not fit or are more
    than 255. ``checksum`` says that the target understands the CRC layer.
    Raises WireError OVERSIZED when one message alone does not fit a datagram.
    """
    packets: list[bytes] = []
    room = wrapping.packet_bytes_max - packet_overhead_bytes(wrapping)
    parts: list[bytes] = []
    size = COMPOUND_HEAD_BYTES
    for message in messages:
        if len(message) > min(room, PART_BYTES_MAX):
            raise WireError(Reason.OVERSIZED, f"{len(message)} bytes do not fit a packet of {room}")
        part_bytes = COMPOUND_PART_BYTES + len(message)
        if parts and (size + part_bytes > room or len(parts) == PARTS_MAX):
            packets.append(_seal(_joined(parts), wrapping, nonces, checksum=checksum))
            parts, size = [], COMPOUND_HEAD_BYTES
        parts.append(message)
        size += part_bytes
    if parts:
        packets.append(_seal(_joined(parts), wrapping, nonces, checksum=checksum))
    return packets


def _joined(parts: Sequence[bytes]) -> bytes:
    """Give one bare message, or the compound of several."""
    if len(parts) == 1:
        return parts[0]
    head = binary.pack(f">BB{len(parts)}H", Type.COMPOUND, len(parts), *map(len, parts))
    return head + b"".join(parts)


def _seal(message: bytes, wrapping: Wrapping, nonces: NonceSource, *, checksum: bool) -> bytes:
    if wrapping.compression and len(message) >= COMPRESS_BYTES_MIN:
        message = min(message, compressed(message), key=len)
    if checksum:
        message = binary.pack(">BI", Type.CRC, crc32(message)) + message
    if wrapping.encrypts:
        nonce = nonces()
        message = wrapping.keyring.encrypt(message, nonce=nonce, associated=wrapping.label)
    return label_header(wrapping.label) + message


def open_packet(datagram: bytes, wrapping: Wrapping) -> Opened:
    """Take off every layer of ``datagram``. Raises WireError when nothing of it can be used."""
    packet = bytes(datagram)  # a copy: receive buffers are used again
    if not packet:
        raise WireError(Reason.EMPTY, "datagram")
    if len(packet) > PACKET_READ_BYTES_MAX:
        raise WireError(Reason.OVERSIZED, f"datagram over {PACKET_READ_BYTES_MAX} bytes")
    packet = without_label(packet, wrapping)
    if wrapping.keyring.enabled:
        packet = _decrypted(packet, wrapping)
    if packet[:1] == b"\x0c":
        packet = _without_checksum(packet)
    splitter = _Splitter()
    try:
        splitter.split(packet, depth=0)
    except WireError as error:
        splitter.faults.append(error.without_frames())
    if not splitter.messages and splitter.faults:
        first = splitter.faults[0]
        # Another one: an error that its own frames lead to is freed only by the cyclic collector.
        raise WireError(first.reason, first.detail)
    return Opened(tuple(splitter.messages), tuple(splitter.faults))


def compressed(message: bytes) -> bytes:
    """Wrap ``message`` in a compression layer, whether it shrinks or not."""
    return b"\x09" + pack({"Algo": LZW, "Buf": lzw.compress(message)})


def decompressed(body: bytes | memoryview, *, bytes_max: int) -> bytes:
    """Read the body of a compression layer (without its type byte).

    Raises WireError: UNSUPPORTED algorithm, EMPTY or OVERSIZED result, MALFORMED, TRUNCATED.
    """
    fields = unpack_struct(body, COMPRESS_KEYS)
    algorithm = unsigned(fields.get(b"Algo"), UINT8_MAX)
    if algorithm != LZW:
        raise WireError(Reason.UNSUPPORTED, f"compression algorithm {algorithm}")
    plain = lzw.decompress(raw(fields.get(b"Buf")), bytes_max=bytes_max)
    if not plain:
        raise WireError(Reason.EMPTY, "compressed message")
    return plain


def label_header(label: bytes) -> bytes:
    """Give what stands before a labelled packet or stream; nothing without a label."""
    return binary.pack("BB", Type.LABEL, len(label)) + label if label else b""


def without_label(packet: bytes, wrapping: Wrapping) -> bytes:
    """Check the label header against ours and take it off.

    Raises WireError LABEL on another, a missing, an unexpected or an empty label, TRUNCATED.
    """
    label = b""
    if packet[:1] == b"\xf4":
        if wrapping.skip_inbound_label_check:
            raise WireError(Reason.LABEL, "a label where none is expected")
        length = packet[1] if len(packet) >= LABEL_HEAD_BYTES else 0
        if len(packet) < LABEL_HEAD_BYTES + length or len(packet) < LABEL_HEAD_BYTES:
            raise WireError(Reason.TRUNCATED, "label header")
        if not length:
            raise WireError(Reason.LABEL, "empty label")
        label = packet[LABEL_HEAD_BYTES : LABEL_HEAD_BYTES + length]
        packet = packet[LABEL_HEAD_BYTES + length :]
    if label != wrapping.label and not wrapping.skip_inbound_label_check:
        raise WireError(Reason.LABEL, "the label is not ours")
    return packet


def _decrypted(packet: bytes, wrapping: Wrapping) -> bytes:
    try:
        return wrapping.keyring.decrypt(packet, associated=wrapping.label)
    except WireError:
        if wrapping.verify_incoming:
            raise
        return packet


def _without_checksum(packet: bytes) -> bytes:
    if len(packet) <= CRC_HEAD_BYTES:
        raise WireError(Reason.TRUNCATED, "checksum header")
    message = packet[CRC_HEAD_BYTES:]
    if binary.unpack(">I", packet[1:CRC_HEAD_BYTES])[0] != crc32(message):
        raise WireError(Reason.CHECKSUM, "the packet's checksum does not match")
    return message


class _Splitter:
    """Takes compression and compounds apart within the budgets of one packet."""

    __slots__ = ("_bytes_left", "_parts_left", "faults", "messages")

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.faults: list[WireError] = []
        self._parts_left = OPENED_PARTS_MAX
        self._bytes_left = DECOMPRESSED_BYTES_MAX

    def split(self, message: bytes, *, depth: int) -> None:
        """Collect the bare messages of ``message``; one fault of a part costs only that part."""
        if not message:
            raise WireError(Reason.EMPTY, "a message has no type byte")
        if depth > NESTING_MAX:
            raise WireError(Reason.OVERSIZED, f"layers nested deeper than {NESTING_MAX}")
        code = message[0]
        if code in PACKET_TYPES:
            self.messages.append(message)
        elif code == Type.COMPRESS:
            plain = decompressed(message[1:], bytes_max=self._bytes_left)
            self._bytes_left -= len(plain)
            self.split(plain, depth=depth + 1)
        elif code == Type.COMPOUND:
            self._split_compound(message, depth=depth)
        else:
            raise WireError(Reason.UNSUPPORTED, f"message type {code} in a packet")

    def _split_compound(self, message: bytes, *, depth: int) -> None:
        count = message[1] if len(message) >= COMPOUND_HEAD_BYTES else 0
        start = COMPOUND_HEAD_BYTES + count * COMPOUND_PART_BYTES
        if not count or len(message) < start:
            raise WireError(Reason.TRUNCATED, "the length table of a compound")
        self._parts_left -= count
        if self._parts_left < 0:
            raise WireError(Reason.OVERSIZED, f"more than {OPENED_PARTS_MAX} parts in a packet")
        for length in binary.unpack_from(f">{count}H", message, COMPOUND_HEAD_BYTES):
            end = start + length
            if end > len(message):
                raise WireError(Reason.TRUNCATED, "the last parts of a compound")
            try:
                self.split(message[start:end], depth=depth + 1)
            except WireError as error:
                self.faults.append(error.without_frames())
            start = end
