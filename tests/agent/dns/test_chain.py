"""Each captured answer of Consul 1.9.8, and each place where cases dn-01..06 say otherwise."""

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import msgspec
import pytest

from agent.dns.directory import QueryAnswer
from agent.dns.settings import DnsSettings

A_DEVN = "devn.node.dc1.consul. 0 IN A 127.0.0.1"
META = '0 IN TXT "consul-network-segment="'
SOA = "consul. 0 IN SOA ns.consul. hostmaster.consul. 1700000000 3600 600 86400 0"
NS = "consul. 0 IN NS devn.node.dc1.consul."
AA_RD, RD = "QR AA RD", "QR RD"

MATRIX = [
    ("devn.node.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], [f"@ {META}"]),
    ("DevN.Node.Consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], [f"@ {META}"]),
    ("devn.node.consul", "AAAA", 0, AA_RD, [], [], [f"@ {META}"]),
    ("devn.node.consul", "ANY", 0, AA_RD, ["@ 0 IN A 127.0.0.1", f"@ {META}"], [], []),
    ("devn.node.consul", "TXT", 0, AA_RD, [f"@ {META}"], [], []),
    ("devn.node.consul", "MX", 0, AA_RD, [], [], []),
    ("devn.node.dc2.consul", "A", 3, AA_RD, [], [SOA], []),
    ("nope.node.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.service.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("web.service.DC1.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    *(
        (name, "SRV", 0, AA_RD, ["@ 0 IN SRV 1 1 80 devn.node.dc1.consul."], [],
         [A_DEVN, f"devn.node.dc1.consul. {META}"])
        for name in (
            "web.service.consul", "a.web.service.consul", "A.WEB.service.consul",
            "_web._a.service.consul", "_web._a.consul", "_web._tcp.consul",
            "_WEB._TCP.service.consul", "q1.query.consul",
        )
    ),
    ("own.service.consul", "SRV", 0, AA_RD, ["@ 0 IN SRV 1 1 81 0a000001.addr.dc1.consul."], [],
     ["0a000001.addr.dc1.consul. 0 IN A 10.0.0.1", f"devn.node.dc1.consul. {META}"]),
    ("zz.web.service.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.service.consul", "AAAA", 0, AA_RD, [], [SOA], []),
    ("web.service.consul", "MX", 0, AA_RD, [], [SOA], []),
    ("web.service.consul", "ANY", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("web.service.consul", "TXT", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("nope.service.consul", "A", 3, AA_RD, [], [SOA], []),
    ("sick.service.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.connect.consul", "A", 3, AA_RD, [], [SOA], []),
    ("q1.query.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("nope.query.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.virtual.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.service.x.dc1.consul", "A", 3, AA_RD, [], [SOA], []),
    ("web.service.dc1.dc.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("7f000001.addr.dc1.consul", "A", 0, AA_RD, ["@ 0 IN A 127.0.0.1"], [], []),
    ("7f000001.addr.dc1.consul", "AAAA", 0, AA_RD, [], [SOA], []),  # dn-04: its own family only
    ("7f000001.addr.dc1.consul", "TXT", 0, AA_RD, [], [SOA], []),
    ("zz.addr.consul", "A", 3, AA_RD, [], [SOA], []),  # dn-04: malformed
    ("0a00.addr.dc1.consul", "A", 3, AA_RD, [], [SOA], []),  # dn-04: malformed
    ("consul", "SOA", 0, AA_RD, [SOA], [NS], [A_DEVN]),
    ("x.consul", "SOA", 0, AA_RD, [SOA], [NS], [A_DEVN]),
    ("nope.service.consul", "SOA", 0, AA_RD, [SOA], [NS], [A_DEVN]),
    ("consul", "NS", 0, AA_RD, [NS], [], [A_DEVN]),
    ("consul", "A", 3, AA_RD, [], [SOA], []),
    ("foo.consul", "A", 3, AA_RD, [], [SOA], []),
    ("consul", "AXFR", 4, AA_RD, [], [], []),
    ("1.0.0.127.in-addr.arpa", "PTR", 0, AA_RD, ["@ 0 IN PTR devn.node.dc1.consul."], [], []),
    ("1.0.0.127.in-addr.arpa", "ANY", 0, AA_RD, ["@ 0 IN PTR devn.node.dc1.consul."], [], []),
    ("1.0.0.10.in-addr.arpa", "PTR", 0, AA_RD, ["@ 0 IN PTR own.service.dc1.consul."], [], []),
    ("9.0.0.9.in-addr.arpa", "PTR", 3, AA_RD, [], [], []),  # dn-06: not SERVFAIL
    ("example.com", "A", 5, RD, [], [], []),
]  # fmt: skip


def section(records: list[Any]) -> list[str]:
    return sorted(record.to_text() for record in records)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row[0]} {row[1]}")
async def test_answer_is_the_captured_one(client: Any, row: Any) -> None:
    name, kind, rcode, flags, *sections = row

    if kind == "AXFR":
        query = dns.message.make_query(name, "A")
        query.question[0].rdtype = dns.rdatatype.AXFR
        query.use_edns(False)
        reply = dns.message.from_wire(
            await client.server._responder.answer(query.to_wire(), "tcp", "")
        )
    else:
        reply = await client.ask(name, kind)

    assert rcode == reply.rcode()
    assert flags == dns.flags.to_text(reply.flags)
    wanted = [sorted(text.replace("@", f"{name}.", 1) for text in part) for part in sections]
    assert wanted == [section(reply.answer), section(reply.authority), section(reply.additional)]


def texts(records: list[Any]) -> list[str]:
    return [record.to_text() for record in records]


async def test_alias_into_the_domain_brings_its_addresses(client: Any) -> None:
    devn = client.directory.nodes["devn"]
    client.directory.add(devn, "lc", id="lc", address="web.service.consul")

    reply = await client.ask("lc.service.consul", "A")

    assert texts(reply.answer) == [
        "lc.service.consul. 0 IN CNAME web.service.consul.",
        "web.service.consul. 0 IN A 127.0.0.1",
    ]


async def test_service_whose_address_is_its_own_name_answers_the_nodes(client: Any) -> None:
    devn = client.directory.nodes["devn"]
    client.directory.add(devn, "loop", id="loop", address="Loop.service.consul.")

    reply = await client.ask("loop.service.consul", "A")

    assert texts(reply.answer) == ["loop.service.consul. 0 IN A 127.0.0.1"]


async def test_aliases_that_point_at_each_other_end(client: Any) -> None:
    devn = client.directory.nodes["devn"]
    client.directory.add(devn, "one", id="one", address="two.service.consul")
    client.directory.add(devn, "two", id="two", address="one.service.consul")

    reply = await client.ask("one.service.consul", "A")

    assert [rrset[0].target.to_text() for rrset in reply.answer] == [
        "two.service.consul.", "one.service.consul.", "two.service.consul.", "one.service.consul.",
    ][: len(reply.answer)]  # fmt: skip
    assert 1 <= len(reply.answer) <= 3


async def test_node_with_a_host_name_and_no_recursors_is_an_alias_alone(client: Any) -> None:
    client.directory.add_node("ext", "host.example")

    reply = await client.ask("ext.node.consul", "A")
    other = await client.ask("ext.node.consul", "CNAME")

    assert texts(reply.answer) == ["ext.node.consul. 0 IN CNAME host.example."]
    assert other.answer == []


async def test_external_instances_take_turns(client: Any) -> None:
    for host in ("a.example", "b.example", "c.example"):
        node = client.directory.add_node(host, host)
        client.directory.add(node, "ext", id=host, port=1)

    seen = {str((await client.ask("ext.service.consul", "A")).answer[0][0]) for _ in range(40)}
    srv = await client.ask("ext.service.consul", "SRV")

    assert seen == {"a.example.", "b.example.", "c.example."}
    assert len(srv.answer) == 3


async def test_question_and_owner_keep_their_case(client: Any) -> None:
    reply = await client.ask("wEb.SeRvIcE.cOnSuL", "A")

    assert reply.question[0].name.to_text() == "wEb.SeRvIcE.cOnSuL."
    assert reply.answer[0].name.to_text() == "wEb.SeRvIcE.cOnSuL."


async def test_only_passing_and_ttls_follow_the_settings(serve: Any, directory: Any) -> None:
    devn = directory.nodes["devn"]
    directory.add(devn, "warm", "warning", id="warm", port=1)
    settings = DnsSettings(only_passing=True, node_ttl_s=7, service_ttl_s={"web*": 8})
    client = await serve(settings)

    assert (await client.ask("warm.service.consul", "A")).rcode() == dns.rcode.NXDOMAIN
    assert (await client.ask("devn.node.consul", "A")).answer[0].ttl == 7
    srv = await client.ask("web.service.consul", "SRV")
    assert {rrset.ttl for rrset in (*srv.answer, *srv.additional)} == {8}


@pytest.mark.parametrize(("ttl", "expected_s"), [("8s", 8), ("", 3), ("1500ms", 1), ("bad", 3)])
async def test_query_ttl_goes_before_its_services(
    serve: Any, directory: Any, ttl: str, expected_s: int
) -> None:
    directory.queries["q1"] = msgspec.structs.replace(directory.queries["q1"], ttl=ttl)
    client = await serve(DnsSettings(service_ttl_s={"web": 3}))

    reply = await client.ask("q1.query.consul", "A")

    assert expected_s == reply.answer[0].ttl


async def test_query_keeps_the_order_of_nearness_and_the_datacenter_it_found(
    serve: Any, directory: Any
) -> None:
    for n in range(8):
        directory.add(directory.add_node(f"n{n}", f"10.0.0.{n}"), "far", id=f"far{n}", port=n + 1)
    far = tuple(row for row in directory.instances if row.service.service == "far")
    directory.queries["near"] = QueryAnswer(
        service="far", datacenter="dc2", nodes=far, ordered=True
    )
    client = await serve(DnsSettings(udp_answer_limit=8))

    for _ in range(3):
        reply = await client.ask("near.query.consul", "SRV", edns=4096)
        assert [rrset[0].target.to_text() for rrset in reply.answer] == [
            f"n{n}.node.dc2.consul." for n in range(8)
        ]


@pytest.mark.parametrize(
    ("name", "scope", "source"),
    [("q1.query.consul", 24, "10.1.2.0"), ("web.service.consul", 0, None)],
)
async def test_client_subnet_is_echoed_with_the_scope_that_mattered(
    client: Any, name: str, scope: int, source: str | None
) -> None:
    subnet = dns.edns.ECSOption("10.1.2.3", 24)

    reply = await client.ask(name, "A", edns=4096, options=[subnet])

    assert reply.options == (dns.edns.ECSOption("10.1.2.0", 24, scope),)
    assert client.directory.sources == ([source] if source else [])


async def test_source_address_is_the_clients_without_a_subnet(client: Any) -> None:
    await client.ask("q1.query.consul", "A")

    assert client.directory.sources == ["127.0.0.1"]


async def test_other_classes_are_refused(client: Any) -> None:
    reply = await client.ask("version.bind", "TXT", rdclass="CH")

    assert reply.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS])
async def test_other_opcodes_are_not_implemented(client: Any, opcode: dns.opcode.Opcode) -> None:
    query = dns.message.make_query("web.service.consul", "A")
    query.set_opcode(opcode)

    found = await client.server._responder.answer(query.to_wire(), "udp", "")

    assert (found[2] >> 3 & 0xF, found[3] & 0xF) == (opcode, dns.rcode.NOTIMP)


async def test_unknown_edns_version_is_badvers(client: Any) -> None:
    query = dns.message.make_query("web.service.consul", "A")
    query.use_edns(1)

    reply = await client.send(query)

    assert reply.rcode() == dns.rcode.BADVERS


async def test_name_with_nul_and_unknown_types_are_answered(client: Any) -> None:
    nul = dns.name.Name((b"a\0b", b"service", b"consul", b""))

    assert (await client.ask(nul, "A")).rcode() == dns.rcode.NXDOMAIN
    assert (await client.ask("web.service.consul", "TYPE65280")).rcode() == dns.rcode.NOERROR


async def test_alternative_domain_is_served_and_answers_in_its_own_names(serve: Any) -> None:
    client = await serve(DnsSettings(alt_domain="corp.example"))

    reply = await client.ask("web.service.corp.example", "SRV")
    missing = await client.ask("x.service.corp.example", "A")

    assert reply.answer[0][0].target.to_text() == "devn.node.dc1.corp.example."
    assert missing.authority[0].name.to_text() == "corp.example."


async def test_silent_recursors_give_servfail_with_ra(serve: Any) -> None:
    client = await serve(DnsSettings(recursors=("127.0.0.1:1",), recursor_timeout_s=0.05))

    outside = await client.ask("example.com", "A")
    reverse = await client.ask("9.0.0.9.in-addr.arpa", "PTR")
    own = await client.ask("web.service.consul", "A")

    assert outside.rcode() == reverse.rcode() == dns.rcode.SERVFAIL
    assert dns.flags.to_text(outside.flags) == "QR RD RA"
    assert dns.flags.to_text(own.flags) == "QR AA RD RA"


async def test_reverse_name_of_another_type_has_no_data(client: Any) -> None:
    reply = await client.ask("1.0.0.127.in-addr.arpa", "A")

    assert reply.answer == []
    assert texts(reply.authority) == [SOA]
