"""Each captured answer of Consul 1.9.8, and each place where cases dn-01..06 say otherwise."""

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

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
