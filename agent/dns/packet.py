"""Lays a reply out for one client: what fits, in which order, as bytes.

Every share is encoded once; each ``render`` then takes the next window of a shuffled ring. So
every answer of a kept reply is a fair sample: within one turn of the ring each instance comes first
once and appears equally often. Some turns share an order, so that finished samples serve again;
then the ring is shuffled anew.

When not everything fits, notes (TXT) go first, then whole shares from the end, so the additional
section always matches the answers. Source: RFC 1035 section 4.1.1 (TC), RFC 6891 section 6.2.3;
Consul's limits (udp_answer_limit, 512 bytes, 4096 or 1024 answers over TCP).
"""

import itertools
import math
import struct
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from agent.dns import wire
from agent.dns.answer import Reply, Share
from agent.dns.settings import DnsSettings
from agent.dns.wire import HEADER_BYTES, Compression, Query, Record

Transport: TypeAlias = Literal["udp", "tcp"]

UDP_BYTES_MIN: Final = 512  # what every client takes; RFC 1035 section 2.3.4
UDP_BYTES_MAX: Final = 65507  # an IPv4 datagram's payload; more cannot be sent at all
TCP_BYTES_MAX: Final = 65523  # as Consul: 65535 less a reserve
UDP_ANSWERS_MAX: Final = 8  # without EDNS, whatever udp_answer_limit says; as Consul
TCP_ANSWERS_MAX: Final = 4096  # as Consul
TCP_SRV_ANSWERS_MAX: Final = 1024  # each brings glue; as Consul
PACKET_BYTES: Final = 2000  # of objects around the bytes of a kept packet, as measured
SHARE_BYTES: Final = 600  # the same for each share
SAMPLES_BYTES_MAX: Final = 64 * 1024  # of finished samples kept for a reply; above it none are
TURNS_PER_ORDER: Final = 16  # a shuffle and its samples cost as much as some dozen answers
_POINTER: Final = 0xC000
_POINTER_OFFSET_MAX: Final = 0x3FFF  # 14 bits; RFC 1035 section 4.1.4
_TAIL_HEADER_BYTES: Final = 10  # type, class, TTL, length: from a record's owner to its content


class Rng(Protocol):
    """What is asked of the agent's one random generator."""

    def shuffle(self, x: list[Any], /) -> None:
        """Put a list in a random order, in place."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """A random number of ``k`` bits."""
        ...


class Room(msgspec.Struct, frozen=True):
    """What a client takes: bytes, answers (0: any number), and whether a cut to them sets TC."""

    size_bytes: int
    answer_count_max: int
    count_sets_tc: bool


class _Glue(NamedTuple):
    owner: bytes
    tail: bytes
    is_target: bool  # the owner is the answer's target: a pointer to it can stand for it


class _Piece(NamedTuple):
    answer: bytes
    target_at: int  # where the target's name starts in the answer
    glue: tuple[_Glue, ...]


def room_for(query: Query, transport: Transport, settings: DnsSettings) -> Room:
    """The client's limits. A cut by the configured answer limit sets TC only if asked to."""
    if transport == "tcp":
        count = TCP_SRV_ANSWERS_MAX if query.kind == wire.SRV else TCP_ANSWERS_MAX
        return Room(TCP_BYTES_MAX, count, count_sets_tc=True)
    offered = query.edns.udp_bytes if query.edns is not None else 0
    size = min(max(offered, UDP_BYTES_MIN), UDP_BYTES_MAX)
    count = min(UDP_ANSWERS_MAX, settings.udp_answer_limit) if size == UDP_BYTES_MIN else 0
    return Room(size, count, count_sets_tc=settings.enable_truncate)


class Packet:
    """A reply as bytes, without the two bytes of the query's id in front."""

    def __init__(
        self, query: Query, reply: Reply, room: Room, settings: DnsSettings, rng: Rng
    ) -> None:
        """Encode the reply's records; ``size_bytes`` is about what the packet keeps in memory."""
        self._rng = rng
        self._room = room
        self._question = (
            wire.question_bytes(query.name, query.kind, query.klass) if query.opcode == 0 else b""
        )
        self._compression = Compression(query.name, enabled=not settings.disable_compression)
        self._flags = _flags(query, reply, recursion_configured=bool(settings.recursors))
        self._opt = _opt(query, reply)
        self._encode(reply, with_notes=True)
        count = len(self._pieces)
        counts = [n for n in (reply.answer_count_max, room.answer_count_max) if n]
        self._take = min([count, *counts])
        self._tc_by_count = room.count_sets_tc and 0 < room.answer_count_max < count
        if self._take < count or self._whole_bytes() > room.size_bytes:
            self._encode(reply, with_notes=False)
            self._drop_fixed()
        self._fixed = b"".join([*self._authority, *self._glue, self._opt])
        samples_bytes = self._whole_bytes() * count
        self._keeps_samples = samples_bytes <= SAMPLES_BYTES_MAX
        self.size_bytes = (
            (samples_bytes if self._keeps_samples else self._whole_bytes())
            + PACKET_BYTES
            + SHARE_BYTES * count
        )
        self._static: bytes | None = None
        self._ring: bytes | None = None
        self._at = self._left = self._turns_left = 0
        self._samples: list[bytes | None] = []
        if not reply.shuffle or count <= 1:
            self._static = self._assemble(self._pieces[: self._take])
        else:
            self._share_bytes = self._ring_share_bytes()
            # A step without a common factor starts a window at every share once in a turn.
            self._step = next(n for n in itertools.count(self._take) if math.gcd(n, count) == 1)

    def render(self) -> bytes:
        """The reply after its id: the same bytes each time, or the next fair sample."""
        if self._static is not None:
            return self._static
        if not self._left:
            self._turn()
        self._left -= 1
        start = self._at
        self._at = (start + self._step) % len(self._pieces)
        if self._ring is not None:
            size = self._share_bytes
            return self._head + self._ring[start * size : (start + self._take) * size] + self._fixed
        sample = self._samples[start]
        if sample is None:
            sample = self._assemble(self._doubled[start : start + self._take])
            if self._keeps_samples:
                self._samples[start] = sample
        return sample

    def _turn(self) -> None:
        """Begin a turn: one window for each share, now and then over a new order."""
        self._left = len(self._pieces)
        self._at = 0
        if self._turns_left:
            self._turns_left -= 1
            return
        self._rng.shuffle(self._pieces)
        self._doubled = self._pieces * 2  # a window may run over the end
        if self._share_bytes:
            self._ring = b"".join([piece.answer for piece in self._doubled])
        elif self._keeps_samples:
            self._turns_left = TURNS_PER_ORDER - 1
        self._samples = [None] * len(self._pieces)

    def _ring_share_bytes(self) -> int:
        """The size of one share if all are alike and bare, so that a window is one slice; else 0.

        Sets the header and the window's size, which are then the same for every sample.
        """
        sizes = {len(piece.answer) for piece in self._pieces}
        if len(sizes) > 1 or any(piece.glue for piece in self._pieces):
            return 0
        size = sizes.pop()
        left = self._room.size_bytes - HEADER_BYTES - len(self._question) - len(self._fixed)
        fitting = min(self._take, left // size)
        if fitting == 0:
            return 0
        tc = self._tc_by_count or fitting < self._take
        self._take = fitting
        self._head = self._header(fitting, 0, tc=tc) + self._question
        return size

    def _encode(self, reply: Reply, *, with_notes: bool) -> None:
        """Encode the sections, with or without the notes."""
        self._pieces = [self._piece(share, with_notes=with_notes) for share in reply.shares]
        self._shared = _has_shared_glue(self._pieces)
        self._authority = [self._record(record) for record in reply.authority]
        records = (*reply.glue, *reply.notes) if with_notes else reply.glue
        self._glue = [self._record(record) for record in records]
        self._fixed = b"".join([*self._authority, *self._glue, self._opt])

    def _drop_fixed(self) -> None:
        """Make room for the first answer: fixed glue goes, then authority."""
        room = self._room.size_bytes - HEADER_BYTES - len(self._question) - len(self._opt)
        room -= min((len(piece.answer) for piece in self._pieces), default=0)
        while (section := self._glue or self._authority) and (
            sum(map(len, self._authority)) + sum(map(len, self._glue)) > room
        ):
            section.pop()

    def _assemble(self, window: list[_Piece]) -> bytes:
        """Join the shares of a window until the room is full."""
        at = HEADER_BYTES + len(self._question)
        left = self._room.size_bytes - at - len(self._fixed)
        answers: list[bytes] = []
        extras: list[bytes] = []
        seen: set[tuple[bytes, bytes]] = set()
        shared = self._shared
        for answer, target_at, glue in window:
            size = len(answer)
            mark = len(extras)
            pointer_at = at + target_at
            for owner, tail, is_target in glue:
                if shared:
                    if (owner, tail) in seen:
                        continue
                    seen.add((owner, tail))
                name = (
                    (_POINTER | pointer_at).to_bytes(2, "big")
                    if is_target and pointer_at <= _POINTER_OFFSET_MAX
                    else owner
                )
                extras += (name, tail)
                size += len(name) + len(tail)
            if size > left:
                del extras[mark:]
                break
            left -= size
            answers.append(answer)
            at += len(answer)
        tc = self._tc_by_count or len(answers) < len(window)
        header = self._header(len(answers), len(extras) // 2, tc=tc)
        return b"".join((
            header, self._question, *answers, *self._authority, *extras, *self._glue, self._opt,
        ))  # fmt: skip

    def _header(self, answers: int, extras: int, *, tc: bool) -> bytes:
        flags = self._flags | (wire.TC if tc else 0)
        additional = extras + len(self._glue) + bool(self._opt)
        return struct.pack(
            "!5H", flags, bool(self._question), answers, len(self._authority), additional
        )

    def _whole_bytes(self) -> int:
        """The size of everything if each name were written out where a pointer may not reach."""
        size = HEADER_BYTES + len(self._question) + len(self._fixed)
        short = size
        for piece in self._pieces:
            size += len(piece.answer)
            short += len(piece.answer)
            for glue in piece.glue:
                size += len(glue.owner) + len(glue.tail)
                short += (2 if glue.is_target else len(glue.owner)) + len(glue.tail)
        return short if short <= _POINTER_OFFSET_MAX else size

    def _record(self, record: Record) -> bytes:
        owner = self._compression.name(record.owner)
        return owner + wire.encode_tail(record, self._compression)

    def _piece(self, share: Share, *, with_notes: bool) -> _Piece:
        answer = share.answer
        owner = self._compression.name(answer.owner)
        rdata = answer.rdata
        target: wire.Name | None = None
        target_at = len(owner) + _TAIL_HEADER_BYTES
        if self._compression.enabled:
            match rdata:
                case wire.Service():
                    target, target_at = rdata.target, target_at + 6
                case wire.Alias():
                    target = rdata.target
                case _:
                    pass
        records = (*share.glue, *share.notes) if with_notes else share.glue
        glue = tuple(
            _Glue(
                self._compression.name(record.owner),
                wire.encode_tail(record, self._compression),
                record.owner == target,
            )
            for record in records
        )
        return _Piece(owner + wire.encode_tail(answer, self._compression), target_at, glue)


def _flags(query: Query, reply: Reply, *, recursion_configured: bool) -> int:
    available = reply.recursion_available
    if available is None:
        available = recursion_configured
    return (
        wire.QR
        | query.opcode << 11
        | (wire.AA if reply.authoritative else 0)
        | (wire.RD if query.recursion_desired else 0)
        | (wire.RA if available else 0)
        | reply.rcode & 0xF
    )


def _opt(query: Query, reply: Reply) -> bytes:
    """The OPT record for a client that sent one: its subnet's scope is 0 unless it mattered."""
    edns = query.edns
    if edns is None:
        return b""
    is_scoped = reply.subnet_scoped and reply.rcode == wire.NOERROR and edns.subnet is not None
    return wire.encode_edns(
        edns, reply.rcode, edns.subnet.source_bits if is_scoped and edns.subnet else 0
    )


def _has_shared_glue(pieces: list[_Piece]) -> bool:
    keys = [(glue.owner, glue.tail) for piece in pieces for glue in piece.glue]
    return len(keys) != len(set(keys))
