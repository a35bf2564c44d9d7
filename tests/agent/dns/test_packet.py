"""What fits, what is dropped first, who is told, and that each instance gets its turn."""

from collections import Counter
from random import Random
from typing import Any

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dns import wire
from agent.dns.answer import Reply, Share
from agent.dns.packet import (
    TCP_BYTES_MAX,
    TCP_SRV_ANSWERS_MAX,
    UDP_BYTES_MAX,
    Packet,
    Transport,
    room_for,
)
from agent.dns.settings import DnsSettings
from agent.dns.wire import Address, Edns, Query, Record, Service, Text

WEB = (b"web", b"service", b"consul")


def query(kind: int, udp_bytes: int | None = None) -> Query:
    return Query(id=1, name=WEB, kind=kind, edns=None if udp_bytes is None else Edns(udp_bytes))


def addresses(count: int) -> tuple[Share, ...]:
    return tuple(
        Share(Record(WEB, 0, Address(bytes((10, 0, n >> 8, n & 255))))) for n in range(count)
    )


def services(count: int, *, prefix: str = "node", notes: bool = False) -> tuple[Share, ...]:
    made = []
    for n in range(count):
        target = (f"{prefix}-{n:04}".encode(), b"node", b"dc1", b"consul")
        glue = Record(target, 0, Address(bytes((10, 0, n >> 8, n & 255))))
        note = (Record(target, 0, Text(b"k=v")),) if notes else ()
        made.append(Share(Record(WEB, 0, Service(1, 80, target)), (glue,), note))
    return tuple(made)


def packet(
    asked: Query, shares: tuple[Share, ...], transport: Transport = "udp", **fields: Any
) -> Packet:
    settings = DnsSettings(**fields.pop("settings", {}))
    reply = Reply(shares=shares, **{"shuffle": True, **fields})
    return Packet(asked, reply, room_for(asked, transport, settings), settings, Random(3))


def read(laid_out: Packet) -> dns.message.Message:
    return dns.message.from_wire(b"\0\1" + laid_out.render(), one_rr_per_rrset=True)


def is_cut(message: dns.message.Message) -> bool:
    return bool(message.flags & dns.flags.TC)


def assert_glue_matches(message: dns.message.Message) -> None:
    targets = [rrset[0].target for rrset in message.answer]
    assert targets == [rrset.name for rrset in message.additional]


@pytest.mark.parametrize("kind", [wire.A, wire.SRV])
def test_sixty_over_udp_without_edns_give_three_and_no_tc(kind: int) -> None:
    shares = addresses(60) if kind == wire.A else services(60)

    message = read(packet(query(kind), shares))

    assert len(message.answer) == 3
    assert len(message.additional) == (3 if kind == wire.SRV else 0)
    assert not is_cut(message)


def test_answer_limit_sets_tc_on_demand() -> None:
    message = read(packet(query(wire.A), addresses(60), settings={"enable_truncate": True}))

    assert is_cut(message)


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (5, 5), (8, 8), (20, 8)])
def test_udp_answer_limit_is_eight_at_most(limit: int, expected: int) -> None:
    message = read(packet(query(wire.A), addresses(60), settings={"udp_answer_limit": limit}))

    assert expected == len(message.answer)


@pytest.mark.parametrize(("udp_bytes", "answers"), [(100, 3), (512, 3), (1232, 20), (4096, 60)])
def test_edns_size_bounds_the_reply_and_less_than_512_means_512(
    udp_bytes: int, answers: int
) -> None:
    laid_out = packet(query(wire.SRV, udp_bytes), services(60, prefix="n"))

    message = read(laid_out)

    assert len(laid_out.render()) + 2 <= max(udp_bytes, 512)
    assert answers == len(message.answer)
    assert_glue_matches(message)
    assert udp_bytes == message.payload
    assert is_cut(message) == (udp_bytes == 1232)


@pytest.mark.parametrize(
    ("transport", "udp_bytes", "bytes_max"),
    [("tcp", None, TCP_BYTES_MAX), ("tcp", 1232, TCP_BYTES_MAX), ("udp", 65535, UDP_BYTES_MAX)],
)
def test_1300_long_names_are_cut_to_what_can_be_sent_and_say_so(
    transport: Transport, udp_bytes: int | None, bytes_max: int
) -> None:
    laid_out = packet(query(wire.SRV, udp_bytes), services(1300, prefix="n" * 50), transport)

    body = laid_out.render()

    message = dns.message.from_wire(b"\0\1" + body, one_rr_per_rrset=True)
    assert bytes_max * 0.98 < len(body) + 2 <= bytes_max
    assert is_cut(message)
    assert_glue_matches(message)


def test_srv_answers_over_tcp_are_bounded_by_count() -> None:
    short = tuple(Share(Record(WEB, 0, Service(1, n, (b"h", b"example")))) for n in range(2000))

    message = read(packet(query(wire.SRV), short, "tcp"))

    assert len(message.answer) == TCP_SRV_ANSWERS_MAX
    assert is_cut(message)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_record_limit_holds_on_both_transports_without_tc(transport: Transport) -> None:
    message = read(packet(query(wire.A), addresses(10), transport, answer_count_max=2))

    assert len(message.answer) == 2
    assert not is_cut(message)


def test_notes_go_before_any_answer() -> None:
    shares = services(10, notes=True)
    whole = read(packet(query(wire.SRV, 4096), shares))
    cut = read(packet(query(wire.SRV), shares))

    assert len(whole.additional) == 20
    assert len(cut.answer) == len(cut.additional) == 3
    assert not is_cut(cut)


def test_large_notes_beside_a_node_are_dropped_and_the_answer_stays() -> None:
    notes = tuple(Record(WEB, 0, Text(b"x" * 600)) for _ in range(3))

    message = read(packet(query(wire.A), addresses(1), notes=notes))

    assert len(message.answer) == 1
    assert message.additional == []
    assert not is_cut(message)


def test_answer_that_never_fits_is_empty_with_tc() -> None:
    share = Share(Record(WEB, 0, Text(b"x" * 600)))

    message = read(packet(query(wire.TXT), (share,), shuffle=False))

    assert message.answer == []
    assert is_cut(message)


def test_glue_and_authority_go_where_the_question_leaves_no_room() -> None:
    name = (b"x" * 63, b"y" * 63, b"z" * 63, b"consul")
    records = tuple(
        Record(name, 0, wire.Alias(wire.NS, (str(n).encode(), b"w" * 60, *name[1:])))
        for n in range(3)
    )
    asked = Query(id=1, name=name, kind=wire.NS)
    settings = DnsSettings(disable_compression=True)
    reply = Reply(authority=records, glue=records)

    laid_out = Packet(asked, reply, room_for(asked, "udp", settings), settings, Random(1))

    message = read(laid_out)
    assert len(laid_out.render()) + 2 <= 512
    assert message.additional == message.authority == []


def test_addresses_that_do_not_fit_beside_the_longest_question_are_cut() -> None:
    name = (b"x" * 63, b"y" * 63, b"z" * 63, b"w" * 50, b"consul")
    shares = tuple(Share(Record(name, 0, Address(bytes((10, 0, 0, n))))) for n in range(3))
    asked = Query(id=1, name=name, kind=wire.A)
    settings = DnsSettings(disable_compression=True)

    laid_out = Packet(
        asked, Reply(shares=shares, shuffle=True), room_for(asked, "udp", settings), settings,
        Random(1),
    )  # fmt: skip

    message = read(laid_out)
    assert len(laid_out.render()) + 2 <= 512
    assert message.answer == []
    assert is_cut(message)


def test_glue_of_two_ports_on_one_node_is_listed_once() -> None:
    [share] = services(1, notes=True)
    target = share.answer.rdata
    assert isinstance(target, Service)
    other = Share(Record(WEB, 0, Service(1, 81, target.target)), share.glue, share.notes)

    message = read(packet(query(wire.SRV), (share, other)))

    assert len(message.answer) == 2
    assert len(message.additional) == 2  # one A, one TXT


def test_order_is_kept_where_it_matters() -> None:
    laid_out = packet(query(wire.A, 4096), addresses(20), shuffle=False)

    texts = [rrset[0].address for rrset in read(laid_out).answer]

    assert texts == [f"10.0.0.{n}" for n in range(20)]
    assert laid_out.render() == laid_out.render()


@pytest.mark.parametrize(
    ("kind", "udp_bytes", "count"),
    [(wire.A, None, 25), (wire.A, None, 3), (wire.A, 4096, 21), (wire.SRV, None, 24),
     (wire.SRV, 1232, 60), (wire.SRV, 4096, 8)],
)  # fmt: skip
def test_each_turn_gives_every_instance_the_same_share(
    kind: int, udp_bytes: int | None, count: int
) -> None:
    shares = addresses(count) if kind == wire.A else services(count, prefix="n")
    laid_out = packet(query(kind, udp_bytes), shares)
    seen: Counter[str] = Counter()
    first: Counter[str] = Counter()

    turns = [[str(rr[0]) for rr in read(laid_out).answer] for _ in range(count)]

    for texts in turns:
        seen.update(texts)
        first[texts[0]] += 1
        assert len(texts) == len(set(texts))
    assert len(seen) == count
    assert len(set(seen.values())) == 1
    assert set(first.values()) == {1}


def test_turns_differ_in_order() -> None:
    laid_out = packet(query(wire.A, 4096), addresses(10))

    turns = [[laid_out.render() for _ in range(10)] for _ in range(3)]

    assert turns[0] != turns[1] != turns[2]


def test_compression_can_be_turned_off() -> None:
    shares = services(5, notes=True)

    packed = packet(query(wire.SRV, 4096), shares)
    plain = packet(query(wire.SRV, 4096), shares, settings={"disable_compression": True})

    assert b"\xc0" in packed.render()
    assert b"\xc0" not in plain.render()
    assert {rr.to_text() for rr in read(plain).answer} == {
        rr.to_text() for rr in read(packed).answer
    }


@given(
    count=st.integers(0, 80),
    udp_bytes=st.none() | st.integers(0, 0xFFFF),
    transport=st.sampled_from(["udp", "tcp"]),
    label=st.integers(1, 63),
    compress=st.booleans(),
)
def test_reply_is_never_larger_than_the_client_takes(
    count: int, udp_bytes: int | None, transport: Transport, label: int, compress: bool
) -> None:
    asked = query(wire.SRV, udp_bytes)
    shares = tuple(
        Share(
            Record(WEB, 0, Service(1, n, target)),
            (Record(target, 0, Address(bytes((10, 0, 0, n)))),),
            (Record(target, 0, Text(b"k" * label)),),
        )
        for n in range(count)
        for target in [(b"x" * label, str(n).encode(), b"node", b"consul")]
    )
    laid_out = packet(asked, shares, transport, settings={"disable_compression": not compress})

    for _ in range(3):
        body = b"\0\1" + laid_out.render()
        message = dns.message.from_wire(body, one_rr_per_rrset=True)
        assert len(body) <= room_for(asked, transport, DnsSettings()).size_bytes
        owners = {rrset.name for rrset in message.additional}
        assert {rrset[0].target for rrset in message.answer} == owners
