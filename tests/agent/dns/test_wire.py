"""The codec against dnspython, and against bytes that nobody sane would send."""

import struct
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dns import wire
from agent.dns.wire import Address, Alias, Authority, Compression, Query, Record, Service, Text

LABELS = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABELS, max_size=6).map(tuple).filter(wire.fits)
TTLS = st.integers(0, 2**31 - 1)
U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)
CONTENTS = st.one_of(
    st.builds(Address, st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)),
    st.builds(Alias, st.sampled_from([wire.CNAME, wire.NS, wire.PTR]), NAMES),
    st.builds(Service, U16, U16, NAMES, U16),
    st.builds(Text, st.binary(max_size=600)),
    st.builds(Authority, NAMES, NAMES, U32, U32, U32, U32, U32),
)
RECORDS = st.builds(Record, NAMES, TTLS, CONTENTS)
QUESTION = (b"web", b"service", b"consul")


def message_of(question: wire.Name, record: Record, *, compress: bool) -> bytes:
    compression = Compression(question, enabled=compress)
    header = struct.pack("!6H", 1, wire.QR, 1, 1, 0, 0)
    body = wire.question_bytes(question, record.kind, wire.CLASS_IN)
    return header + body + compression.name(record.owner) + wire.encode_tail(record, compression)


def labels(name: dns.name.Name) -> wire.Name:
    return name.labels[:-1]


def content_of(rdata: Any) -> wire.Rdata:
    match rdata.rdtype:
        case dns.rdatatype.A | dns.rdatatype.AAAA:
            return Address(rdata.to_wire())
        case dns.rdatatype.CNAME | dns.rdatatype.NS | dns.rdatatype.PTR:
            return Alias(int(rdata.rdtype), labels(rdata.target))
        case dns.rdatatype.SRV:
            return Service(rdata.weight, rdata.port, labels(rdata.target), rdata.priority)
        case dns.rdatatype.TXT:
            return Text(b"".join(rdata.strings))
        case _:
            times = (rdata.serial, rdata.refresh, rdata.retry, rdata.expire, rdata.minimum)
            return Authority(labels(rdata.mname), labels(rdata.rname), *times)


@given(record=RECORDS, compress=st.booleans())
def test_every_record_type_is_read_back_by_dnspython(record: Record, compress: bool) -> None:
    packet = message_of(record.owner[1:], record, compress=compress)

    answer = dns.message.from_wire(packet).answer[0]

    assert record.owner == labels(answer.name)
    assert record.ttl_s == answer.ttl
    assert record.rdata == content_of(answer[0])


@given(record=RECORDS)
def test_compression_changes_the_size_and_never_the_meaning(record: Record) -> None:
    plain = message_of(record.owner, record, compress=False)
    packed = message_of(record.owner, record, compress=True)

    assert len(packed) <= len(plain)
    assert dns.message.from_wire(plain).answer == dns.message.from_wire(packed).answer


def test_compression_keeps_case_by_not_sharing_other_case() -> None:
    compression = Compression(QUESTION, enabled=True)

    assert compression.name(QUESTION) == b"\xc0\x0c"
    assert compression.name((b"ns", b"consul")) == b"\x02ns\xc0\x18"
    assert compression.name((b"Consul",)) == b"\x06Consul\0"


@given(
    name=NAMES,
    kind=U16,
    klass=st.integers(1, 250),
    ident=U16,
    rd=st.booleans(),
    payload=st.none() | U16,
)
def test_queries_of_dnspython_are_read(
    name: wire.Name, kind: int, klass: int, ident: int, rd: bool, payload: int | None
) -> None:
    query = dns.message.QueryMessage(id=ident)
    query.flags = dns.flags.RD if rd else dns.flags.Flag(0)
    rrset = dns.rrset.RRset(dns.name.Name((*name, b"")), klass, kind)
    query.question = [rrset]
    if payload is not None:
        query.use_edns(0, payload=payload)

    decoded = wire.decode_query(query.to_wire())

    edns = None if payload is None else wire.Edns(payload)
    expected = Query(id=ident, recursion_desired=rd, name=name, kind=kind, klass=klass, edns=edns)
    assert expected == decoded


@pytest.mark.parametrize(
    ("prefix", "bits", "family", "address"),
    [("10.1.2.0", 24, 1, b"\x0a\x01\x02"), ("2001:db8::", 32, 2, b"\x20\x01\x0d\xb8")],
)
def test_client_subnet_is_read_and_written(
    prefix: str, bits: int, family: int, address: bytes
) -> None:
    query = dns.message.make_query("web.service.consul", "A")
    query.use_edns(0, payload=4096, options=[dns.edns.ECSOption(prefix, bits)])

    edns = wire.decode_query(query.to_wire()).edns

    assert edns == wire.Edns(4096, 0, wire.ClientSubnet(family, bits, address), 1)
    opt = wire.encode_edns(edns, wire.NOERROR, bits)
    reply = dns.message.from_wire(struct.pack("!6H", 1, wire.QR, 0, 0, 0, 1) + opt)
    assert (dns.edns.ECSOption(prefix, bits, bits),) == reply.options


def test_badvers_uses_the_extended_rcode() -> None:
    opt = wire.encode_edns(wire.Edns(1232, 1), wire.BADVERS, 0)

    reply = dns.message.from_wire(struct.pack("!6H", 1, wire.QR, 0, 0, 0, 1) + opt)

    assert reply.rcode() == wire.BADVERS


@given(packet=st.binary(max_size=120))
def test_random_bytes_raise_only_the_declared_error(packet: bytes) -> None:
    for decode in (wire.decode_query, wire.decode_answers):
        try:
            decode(packet)
        except wire.WireError:
            continue


@given(record=RECORDS, cuts=st.data())
def test_damaged_messages_raise_only_the_declared_error(
    record: Record, cuts: st.DataObject
) -> None:
    packet = bytearray(message_of(QUESTION, record, compress=True))
    packet[2:4] = b"\0\0"  # a query, so that both decoders go past the header
    packet[6:12] = b"\0\0\0\0\0\1"  # the record is an additional one
    at = cuts.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= cuts.draw(st.integers(1, 255))
    end = cuts.draw(st.integers(0, len(packet)))

    for decode in (wire.decode_query, wire.decode_answers):
        try:
            decode(bytes(packet[:end]))
        except wire.WireError:
            continue


@pytest.mark.parametrize(
    "packet", [b"", b"\0", bytes(11), struct.pack("!6H", 1, wire.QR, 1, 0, 0, 0)]
)
def test_short_packets_and_answers_are_no_queries(packet: bytes) -> None:
    with pytest.raises(wire.NotAQuery):
        wire.decode_query(packet)


def header(*counts: int) -> bytes:
    return struct.pack("!6H", 1, wire.RD, *counts)


ROOT_A = b"\0" + struct.pack("!HH", wire.A, 1)
OPT = b"\0" + struct.pack("!HHIH", wire.OPT, 1232, 0, 0)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(header(0, 0, 0, 0), id="no question"),
        pytest.param(header(2, 0, 0, 0) + ROOT_A * 2, id="two questions"),
        pytest.param(header(1, 1, 0, 0) + ROOT_A, id="an answer"),
        pytest.param(header(1, 0, 0, 0), id="the question is missing"),
        pytest.param(header(1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", id="a pointer to itself"),
        pytest.param(header(1, 0, 0, 0) + b"\x40" + bytes(80), id="a label of 64 bytes"),
        pytest.param(header(1, 0, 0, 0) + (b"\x3f" + b"x" * 63) * 4 + ROOT_A, id="a long name"),
        pytest.param(header(1, 0, 0, 2) + ROOT_A + OPT * 2, id="two OPT records"),
        pytest.param(header(1, 0, 0, 1) + ROOT_A + b"\1x" + OPT, id="OPT with an owner"),
        pytest.param(
            header(1, 0, 0, 1) + ROOT_A + OPT[:-2] + b"\0\x04\0\x08\0\x09", id="a cut option"
        ),
        pytest.param(
            header(1, 0, 0, 1) + ROOT_A + OPT[:-2] + b"\0\x08\0\x08\0\x04\0\1\x21\0",
            id="a subnet of 33 bits",
        ),
        pytest.param(
            header(1, 0, 0, 1) + ROOT_A + OPT[:-2] + b"\0\x05\0\x08\0\x01\0", id="a short subnet"
        ),
    ],
)
def test_broken_queries_are_refused(packet: bytes) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode_query(packet)

    assert not isinstance(caught.value, wire.NotAQuery)


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS])
def test_other_opcodes_are_read_as_a_header_only(opcode: dns.opcode.Opcode) -> None:
    packet = struct.pack("!6H", 9, opcode << 11, 3, 2, 1, 7) + b"whatever"

    query = wire.decode_query(packet)

    assert Query(id=9, opcode=int(opcode), recursion_desired=False) == query


def test_answers_of_a_chain_are_read_and_the_rest_is_passed_over() -> None:
    reply = dns.message.from_text(
        "id 1\nopcode QUERY\nrcode NOERROR\nflags QR RD RA\n;QUESTION\nx.example. IN A\n;ANSWER\n"
        "x.example. 60 IN CNAME y.example.\ny.example. 61 IN A 10.0.0.1\n"
        "y.example. 62 IN AAAA fd00::1\ny.example. 63 IN MX 1 m.example.\n"
    )

    records = wire.decode_answers(reply.to_wire())

    y = (b"y", b"example")
    expected = (
        Record((b"x", b"example"), 60, Alias(wire.CNAME, y)),
        Record(y, 61, Address(b"\x0a\0\0\1")),
        Record(y, 62, Address(b"\xfd" + bytes(14) + b"\1")),
    )
    assert expected == records


def test_upstream_query_is_a_recursive_one_with_edns() -> None:
    packet = wire.encode_query(77, (b"a", b"example"), wire.AAAA, udp_bytes=1232)

    query = dns.message.from_wire(packet)

    assert (query.id, query.payload, query.flags) == (77, 1232, dns.flags.RD)
    assert query.question[0].to_text() == "a.example. IN AAAA"
    assert len(packet) - 11 == wire.question_end(packet)
