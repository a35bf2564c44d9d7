"""What is kept, what never is, and that nothing escapes as an exception."""

from random import Random
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.dns.packet import Transport
from agent.dns.responder import Responder
from agent.dns.settings import DnsSettings

WEB = "web.service.consul"


@pytest.fixture
def responder(directory: Any) -> Responder:
    return Responder(directory, DnsSettings(), rng=Random(5), wall_s=lambda: 1.0)


def packet(name: str = WEB, kind: str = "A", ident: int = 1, **edns: Any) -> bytes:
    query = dns.message.make_query(name, kind, use_edns=False, id=ident)
    if edns:
        query.use_edns(0, **edns)
    return query.to_wire()


async def answer(
    responder: Responder, asked: bytes, transport: Transport = "udp"
) -> dns.message.Message:
    found = await responder.answer(asked, transport, "127.0.0.1")
    assert found is not None
    return dns.message.from_wire(found)


@pytest.mark.parametrize("name", [WEB, "nope.service.consul", "devn.node.consul", "x.consul"])
async def test_second_query_is_answered_from_the_cache_with_its_own_id(
    responder: Responder, directory: Any, name: str
) -> None:
    first = await answer(responder, packet(name, ident=1))
    reads = directory.read_count

    kept = responder.answer_now(packet(name, ident=2), "udp")

    assert kept is not None
    second = dns.message.from_wire(kept)
    assert second.id == 2
    assert first.answer == second.answer
    assert first.authority == second.authority
    assert reads == directory.read_count
    assert responder.counts.cached == 1


async def test_change_of_the_rows_is_seen_by_the_next_query(
    responder: Responder, directory: Any
) -> None:
    await answer(responder, packet())
    directory.instances.clear()

    directory.changed()

    assert responder.answer_now(packet(), "udp") is None
    assert (await answer(responder, packet())).rcode() == dns.rcode.NXDOMAIN


async def test_transport_flags_and_edns_size_have_answers_of_their_own(
    responder: Responder,
) -> None:
    await answer(responder, packet())

    assert responder.answer_now(packet(), "tcp") is None
    assert responder.answer_now(packet(payload=4096), "udp") is None
    assert responder.answer_now(packet().replace(b"\x01\x00", b"\x00\x00", 1), "udp") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("consul", "SOA"), ("consul", "NS"), ("example.com", "A"), ("x.node.dc9.consul", "A")],
)
async def test_answers_that_cannot_be_watched_are_not_kept(
    responder: Responder, name: str, kind: str
) -> None:
    await answer(responder, packet(name, kind))

    assert responder.answer_now(packet(name, kind), "udp") is None


async def test_unwatched_rows_and_edns_options_are_not_kept(
    responder: Responder, directory: Any
) -> None:
    cookie = packet(payload=1232, options=[dns.edns.GenericOption(10, b"12345678")])
    await answer(responder, cookie)
    assert responder.answer_now(cookie, "udp") is None

    directory.is_watched = False
    await answer(responder, packet())
    assert responder.answer_now(packet(), "udp") is None


async def test_reload_forgets_kept_answers(responder: Responder) -> None:
    await answer(responder, packet())

    responder.reload(DnsSettings(service_ttl_s={"web": 9}))

    assert responder.answer_now(packet(), "udp") is None
    assert (await answer(responder, packet())).answer[0].ttl == 9


async def test_failure_of_ours_is_servfail_and_is_counted(
    responder: Responder, directory: Any, capsys: Any
) -> None:
    async def broken(*args: Any) -> Any:
        message = "our bug"
        raise RuntimeError(message)

    directory.service_nodes = broken

    message = await answer(responder, packet())

    assert message.rcode() == dns.rcode.SERVFAIL
    assert responder.counts.failed == 1
    assert "our bug" in capsys.readouterr().out


@pytest.mark.parametrize("asked", [b"", b"\0", bytes(11), b"\0\1\x80" + bytes(20)])
async def test_what_is_no_query_gets_no_answer(responder: Responder, asked: bytes) -> None:
    assert await responder.answer(asked, "udp", "") is None
    assert responder.counts.dropped == 1


async def test_unreadable_query_gets_formerr_with_its_id(responder: Responder) -> None:
    message = await answer(responder, b"\x12\x34\x01\0\0\2" + bytes(6))

    assert (message.id, message.rcode()) == (0x1234, dns.rcode.FORMERR)
    assert responder.counts.malformed == 1


async def test_queries_are_counted_by_type_and_timed(directory: Any) -> None:
    seen: list[str] = []
    responder = Responder(
        directory,
        DnsSettings(),
        rng=Random(5),
        wall_s=lambda: 1.0,
        observe=lambda name, seconds: seen.append(name),
    )

    for name, kind in ((WEB, "A"), (WEB, "SRV"), ("1.0.0.127.in-addr.arpa", "PTR"), (WEB, "HINFO")):
        await answer(responder, packet(name, kind))

    assert seen == ["domain_query", "domain_query", "ptr_query", "domain_query"]
    assert responder.counts.by_kind == {1: 1, 33: 1, 12: 1, 0: 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
async def test_fuzzed_packets_never_raise_and_answers_are_readable(
    responder: Responder, draw: st.DataObject
) -> None:
    base = draw.draw(
        st.sampled_from([packet(), packet(kind="SRV", payload=512), packet("devn.node.consul")])
    )
    asked = bytearray(base)
    for _ in range(draw.draw(st.integers(1, 4))):
        asked[draw.draw(st.integers(0, len(asked) - 1))] = draw.draw(st.integers(0, 255))
    end = draw.draw(st.integers(0, len(asked)))

    found = await responder.answer(bytes(asked[:end]), "udp", "127.0.0.1")

    if found is not None:
        assert found[:2] == asked[:2]
        assert len(found) >= 12
        dns.message.from_wire(found)
    assert responder.counts.failed == 0


async def test_nothing_kept_is_given_while_the_directory_lacks_what_was_written(
    responder: Responder, directory: Any
) -> None:
    await answer(responder, packet(ident=1))
    assert responder.answer_now(packet(ident=2), "udp") is not None

    directory.is_current = False

    assert responder.answer_now(packet(ident=3), "udp") is None
