"""The DNS wire format: queries and upstream answers in, records out.

Names are tuples of labels as they came (case kept, no root label). Records are encoded one by one
and compressed only against the question, whose place in a reply is fixed, so their bytes do not
depend on their position: ``packet`` can shuffle and cut them without encoding again.

Source: RFC 1035 section 4, RFC 2782 (SRV targets are never compressed), RFC 3596, RFC 6891 (EDNS),
RFC 7871 (client subnet). Limits: RFC 1035 section 2.3.4.
"""

import struct
from typing import Final, NamedTuple, TypeAlias, assert_never

import msgspec

Name: TypeAlias = tuple[bytes, ...]

HEADER_BYTES: Final = 12
LABEL_BYTES_MAX: Final = 63  # RFC 1035 section 2.3.4
NAME_BYTES_MAX: Final = 255  # on the wire, with lengths and root; RFC 1035 section 2.3.4
TEXT_BYTES_MAX: Final = 255  # one character string; RFC 1035 section 3.3
RECORDS_READ_MAX: Final = 256  # of an upstream's answer: more than any sane CNAME chain
POINTER_HOPS_MAX: Final = 16  # a name has at most 127 labels; honest encoders use one hop or two

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41
IXFR, AXFR, ANY = 251, 252, 255
CLASS_IN: Final = 1
TYPE_NAMES: Final = {
    A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", MX: "MX", TXT: "TXT", AAAA: "AAAA",
    SRV: "SRV", OPT: "OPT", IXFR: "IXFR", AXFR: "AXFR", ANY: "ANY",
}  # fmt: skip

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

QR, AA, TC, RD, RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_ECS_OPTION: Final = 8
_POINTER: Final = 0xC0


class WireError(Exception):
    """The bytes are no message that can be understood; answered FORMERR."""


class NotAQuery(WireError):
    """Too short to have a header, or itself an answer: it gets no answer, so nothing can loop."""


class ClientSubnet(msgspec.Struct, frozen=True):
    """EDNS client subnet: family 1 (IPv4) or 2 (IPv6), prefix bits, the prefix's bytes."""

    family: int
    source_bits: int
    address: bytes


class Edns(msgspec.Struct, frozen=True):
    """A query's OPT record; ``option_count`` includes options that are not understood."""

    udp_bytes: int
    version: int = 0
    subnet: ClientSubnet | None = None
    option_count: int = 0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A question; for opcodes other than QUERY nothing after the header is read."""

    id: int
    opcode: int = 0
    recursion_desired: bool = True
    name: Name = ()
    kind: int = 0
    klass: int = CLASS_IN
    edns: Edns | None = None


class Address(msgspec.Struct, frozen=True):
    """A (4 bytes) or AAAA (16 bytes)."""

    packed: bytes


class Alias(msgspec.Struct, frozen=True):
    """CNAME, NS or PTR: a record that is one name; ``kind`` says which."""

    kind: int
    target: Name


class Service(msgspec.Struct, frozen=True):
    """SRV; weight and port are 0..65535."""

    weight: int
    port: int
    target: Name
    priority: int = 1


class Text(msgspec.Struct, frozen=True):
    """TXT of one text, split into character strings where it is long."""

    text: bytes


class Authority(msgspec.Struct, frozen=True):
    """SOA; times are seconds."""

    primary: Name
    mailbox: Name
    serial: int
    refresh_s: int
    retry_s: int
    expire_s: int
    minimum_s: int


Rdata: TypeAlias = Address | Alias | Service | Text | Authority


class Record(msgspec.Struct, frozen=True):
    """A resource record of class IN; ``ttl_s`` is 0..2**31-1."""

    owner: Name
    ttl_s: int
    rdata: Rdata

    @property
    def kind(self) -> int:
        """The record's type number."""
        match self.rdata:
            case Address(packed):
                return A if len(packed) == 4 else AAAA
            case Alias(kind):
                return kind
            case Service():
                return SRV
            case Text():
                return TXT
            case Authority():
                return SOA
            case _:
                assert_never(self.rdata)


def decode_query(packet: bytes) -> Query:
    """Read a query. Raises NotAQuery (say nothing) or WireError (say FORMERR)."""
    if len(packet) < HEADER_BYTES:
        raise NotAQuery
    ident, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", packet)
    if flags & QR:
        raise NotAQuery
    opcode = (flags >> 11) & 0xF
    recursion_desired = bool(flags & RD)
    if opcode != 0:
        return Query(id=ident, opcode=opcode, recursion_desired=recursion_desired)
    if questions != 1 or answers or authorities:
        message = "a query has one question, no answers and no authority"
        raise WireError(message)
    reader = _Reader(packet, HEADER_BYTES)
    name = reader.name(pointers=False)
    kind, klass = reader.numbers("!HH", 4)
    edns = None
    for _ in range(additionals):
        record = reader.record()
        if record.kind == OPT:
            if edns is not None or record.owner:
                message = "one OPT record is allowed, at the root"
                raise WireError(message)
            edns = _decode_edns(record)
    return Query(
        id=ident, recursion_desired=recursion_desired, name=name, kind=kind, klass=klass, edns=edns
    )


def decode_answers(packet: bytes) -> tuple[Record, ...]:
    """The A, AAAA and CNAME answers of an upstream's message. Raises WireError."""
    if len(packet) < HEADER_BYTES:
        raise NotAQuery
    _, _, questions, answers, _, _ = struct.unpack_from("!6H", packet)
    reader = _Reader(packet, HEADER_BYTES)
    for _ in range(questions):
        reader.name()
        reader.numbers("!HH", 4)
    records: list[Record] = []
    for _ in range(min(answers, RECORDS_READ_MAX)):
        raw = reader.record()
        if raw.klass != CLASS_IN:
            continue
        if (raw.kind, raw.length) in {(A, 4), (AAAA, 16)}:
            rdata: Rdata = Address(packet[raw.at : raw.at + raw.length])
        elif raw.kind == CNAME:
            rdata = Alias(CNAME, _Reader(packet, raw.at).name())
        else:
            continue
        records.append(Record(raw.owner, raw.ttl_s, rdata))
    return tuple(records)


def question_end(packet: bytes) -> int:
    """Where the first question of a readable message ends."""
    reader = _Reader(packet, HEADER_BYTES)
    reader.name(pointers=False)
    reader.numbers("!HH", 4)
    return reader.at


def question_bytes(name: Name, kind: int, klass: int) -> bytes:
    """A question as it stands in a message."""
    return encode_name(name) + struct.pack("!HH", kind, klass)


def encode_query(ident: int, name: Name, kind: int, *, udp_bytes: int) -> bytes:
    """A recursive query with an OPT record, for an upstream."""
    header = struct.pack("!6H", ident, RD, 1, 0, 0, 1)
    opt = struct.pack("!BHHIH", 0, OPT, udp_bytes, 0, 0)
    return header + question_bytes(name, kind, CLASS_IN) + opt


def encode_edns(edns: Edns, rcode: int, scope_bits: int) -> bytes:
    """The OPT record of a reply: the client's size again, and its subnet with our scope."""
    options = b""
    if edns.subnet is not None:
        subnet = edns.subnet
        body = struct.pack("!HBB", subnet.family, subnet.source_bits, scope_bits) + subnet.address
        options = struct.pack("!HH", _ECS_OPTION, len(body)) + body
    extended = (rcode >> 4) << 24
    return struct.pack("!BHHIH", 0, OPT, edns.udp_bytes, extended, len(options)) + options


def encode_name(name: Name) -> bytes:
    """A name without compression. The labels fit the limits: ``fits`` was asked before."""
    return b"".join(bytes((len(label),)) + label for label in name) + b"\0"


def fits(name: Name) -> bool:
    """Whether the name can be written: labels of 1..63 bytes, 255 bytes in all."""
    return (
        all(0 < len(label) <= LABEL_BYTES_MAX for label in name)
        and sum(map(len, name)) + len(name) + 1 <= NAME_BYTES_MAX
    )


class Compression:
    """The question's name and its suffixes, by their fixed offsets in a reply.

    An empty question name, or ``enabled=False``, compresses nothing. Only names of the same case
    are shared, so that each record keeps its own.
    """

    def __init__(self, question: Name, *, enabled: bool) -> None:
        self.enabled = enabled
        self._offsets: dict[Name, int] = {}
        offset = HEADER_BYTES
        for start in range(len(question) if enabled else 0):
            self._offsets[question[start:]] = offset
            offset += 1 + len(question[start])

    def name(self, name: Name) -> bytes:
        """The name, ending in a pointer where a suffix of it is the question's."""
        for start in range(len(name)):
            offset = self._offsets.get(name[start:])
            if offset is not None:
                head = b"".join(bytes((len(label),)) + label for label in name[:start])
                return head + struct.pack("!H", _POINTER << 8 | offset)
        return encode_name(name)


def encode_tail(record: Record, compression: Compression) -> bytes:
    """Everything of a record after its owner: type, class, TTL, length and content."""
    body = _encode_rdata(record.rdata, compression)
    return struct.pack("!HHIH", record.kind, CLASS_IN, record.ttl_s, len(body)) + body


def _encode_rdata(rdata: Rdata, compression: Compression) -> bytes:
    match rdata:
        case Address(packed):
            return packed
        case Alias(_, target):
            return compression.name(target)
        case Service(weight, port, target, priority):
            return struct.pack("!3H", priority, weight, port) + encode_name(target)
        case Text(text):
            parts = [
                text[start : start + TEXT_BYTES_MAX]
                for start in range(0, len(text), TEXT_BYTES_MAX)
            ] or [b""]
            return b"".join(bytes((len(part),)) + part for part in parts)
        case Authority(primary, mailbox, serial, refresh_s, retry_s, expire_s, minimum_s):
            return (
                compression.name(primary)
                + compression.name(mailbox)
                + struct.pack("!5I", serial, refresh_s, retry_s, expire_s, minimum_s)
            )
        case _:
            assert_never(rdata)


class _RawRecord(NamedTuple):
    owner: Name
    kind: int
    klass: int
    ttl_s: int
    at: int  # where the content starts in the packet
    length: int
    content: bytes


class _Reader:
    """A position in a packet; every read checks the packet's end."""

    def __init__(self, packet: bytes, at: int) -> None:
        self._packet = packet
        self.at = at

    def numbers(self, layout: str, size: int) -> tuple[int, ...]:
        if self.at + size > len(self._packet):
            message = "the message ends within a field"
            raise WireError(message)
        values: tuple[int, ...] = struct.unpack_from(layout, self._packet, self.at)
        self.at += size
        return values

    def name(self, *, pointers: bool = True) -> Name:
        labels: list[bytes] = []
        at, hops, size = self.at, 0, 1
        end: int | None = None
        while True:
            if at >= len(self._packet):
                message = "the message ends within a name"
                raise WireError(message)
            length = self._packet[at]
            if length == 0:
                break
            if length & _POINTER == _POINTER:
                if not pointers or hops == POINTER_HOPS_MAX or at + 1 >= len(self._packet):
                    message = "a compression pointer is not allowed here"
                    raise WireError(message)
                end = at + 2 if end is None else end
                at = (length & 0x3F) << 8 | self._packet[at + 1]
                hops += 1
                continue
            label = self._packet[at + 1 : at + 1 + length]
            size += 1 + length
            if length > LABEL_BYTES_MAX or len(label) != length or size > NAME_BYTES_MAX:
                message = "a label or name is too long"
                raise WireError(message)
            labels.append(label)
            at += 1 + length
        self.at = at + 1 if end is None else end
        return tuple(labels)

    def record(self) -> _RawRecord:
        owner = self.name()
        kind, klass, ttl_s, length = self.numbers("!HHIH", 10)
        at = self.at
        content = self._packet[at : at + length]
        if len(content) != length:
            message = "the message ends within a record"
            raise WireError(message)
        self.at = at + length
        return _RawRecord(owner, kind, klass, ttl_s, at, length, content)


def _decode_edns(record: _RawRecord) -> Edns:
    reader = _Reader(record.content, 0)
    subnet, count, at = None, 0, 0
    while at < record.length:
        code, length = reader.numbers("!HH", 4)
        body = record.content[at + 4 : at + 4 + length]
        reader.numbers(f"!{length}x", length)
        if code == _ECS_OPTION:
            subnet = _decode_subnet(body)
        at += 4 + length
        count += 1
    return Edns(record.klass, (record.ttl_s >> 16) & 0xFF, subnet, count)


def _decode_subnet(body: bytes) -> ClientSubnet:
    if len(body) < 4:
        message = "the client subnet is too short"
        raise WireError(message)
    family, source_bits, _ = struct.unpack_from("!HBB", body)
    address = body[4:]
    bits_max = {1: 32, 2: 128}.get(family, 0)
    if source_bits > bits_max or len(address) != (source_bits + 7) // 8:
        message = "the client subnet's family, prefix and address do not agree"
        raise WireError(message)
    return ClientSubnet(family, source_bits, address)
