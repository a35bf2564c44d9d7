"""Trouble that users of the DNS door met in the field, with the outcome that is right."""

from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from tests.system.agent_process import AgentProcess
from tests.system.dns_client import ask, exchange, question, records

pytestmark = [pytest.mark.compat]

SEVENTY_SEVEN = "20010db8000000000000000000000077.addr.dc1.consul."


def register(agent: AgentProcess, node: str, address: str, **service: Any) -> None:
    body: dict[str, Any] = {"Node": node, "Address": address}
    agent.put_ok("/v1/catalog/register", body | ({"Service": service} if service else {}))


@pytest.fixture(scope="module", autouse=True)
def rows(agent: AgentProcess) -> None:
    """What the tests below look up."""
    register(agent, "n1", "10.0.0.1", Service="web", Port=80, Tags=["Primary"])
    register(agent, "n2", "2001:db8::2", ID="s1", Service="six", Port=6666)
    register(agent, "n2", "2001:db8::2", ID="s2", Service="six", Port=7777, Address="2001:db8::77")
    register(agent, "n3", "10.0.0.3", ID="m1", Service="multi", Port=1001)
    register(agent, "n3", "10.0.0.3", ID="m2", Service="multi", Port=1002)
    register(agent, "n7", "10.7.0.2", Service="loop", Port=1, Address="loop.service.consul")
    register(agent, "n8", "10.7.0.3", Service="lc", Port=1, Address="web.service.consul")
    for number in range(60):
        register(agent, f"sixty-{number:02}", f"10.60.0.{number + 1}", Service="sixty", Port=80)


def rcode(answer: DNSRecord) -> str:
    return str(RCODE[answer.header.rcode])


@pytest.mark.parametrize(
    "name", ["wEb.SeRvIcE.cOnSuL", "PRIMARY.web.service.consul", "web.service.DC1.consul"]
)
def test_letter_case_is_ignored_and_echoed(agent: AgentProcess, name: str) -> None:
    """Source: hashicorp/consul#189, #533."""
    answer = ask(agent.dns_port, name, "A")

    assert str(answer.q.qname) == name + "."
    assert [str(row.rname) for row in answer.rr] == [name + "."]
    assert records(answer, "A") == ["10.0.0.1"]


def test_rfc_2782_name_in_capitals_matches(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#189."""
    answer = ask(agent.dns_port, "_WEB._TCP.service.consul", "SRV")

    assert records(answer, "SRV") == ["1 1 80 n1.node.dc1.consul."]


@pytest.mark.parametrize("kind", ["A", "SRV"])
@pytest.mark.parametrize(
    ("edns", "bytes_max"), [(None, 512), (100, 512), (1232, 1232), (4096, 4096)]
)
def test_udp_answer_fits_what_the_client_takes(
    agent: AgentProcess, kind: str, edns: int | None, bytes_max: int
) -> None:
    """Source: hashicorp/consul#375, #788, #3355, #3850."""
    wire = exchange(agent.dns_port, question("sixty.service.consul", kind, edns=edns))
    answer = DNSRecord.parse(wire)

    assert len(wire) <= bytes_max
    assert len(records(answer, kind)) == 3 if bytes_max == 512 else len(records(answer, kind)) > 3
    targets = {row.split()[-1] for row in records(answer, "SRV")}
    glued = {str(row.rname) for row in answer.ar if row.rtype == QTYPE.A}
    assert targets == glued


@pytest.mark.parametrize("kind", ["A", "SRV"])
def test_tcp_gives_all_sixty(agent: AgentProcess, kind: str) -> None:
    """Source: hashicorp/consul#3850."""
    answer = ask(agent.dns_port, "sixty.service.consul", kind, tcp=True)

    assert len(records(answer, kind)) == 60


def test_answers_are_shuffled(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3355."""
    firsts = {records(ask(agent.dns_port, "sixty.service.consul", "A"), "A")[0] for _ in range(40)}

    assert len(firsts) > 10


@pytest.mark.timeout(120)
def test_answer_over_64_kib_is_cut_and_never_missing(agent: AgentProcess) -> None:
    """1.9.8 drops the UDP form in silence. Source: hashicorp/consul#3850."""
    for first in range(0, 1300, 50):
        for number in range(first, first + 50):
            name = f"a-node-with-a-rather-long-name-for-this-test-{number:04}"
            address = f"10.13.{number // 250}.{number % 250 + 1}"
            register(agent, name, address, Service="many", Port=80)

    stream = exchange(agent.dns_port, question("many.service.consul", "SRV"), tcp=True)
    datagram = exchange(agent.dns_port, question("many.service.consul", "SRV", edns=65535))

    assert len(stream) <= 65535
    assert len(records(DNSRecord.parse(stream), "SRV")) > 400
    assert records(DNSRecord.parse(datagram), "SRV")


def test_every_srv_target_resolves_to_its_glue(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#832, #2446; haproxy/haproxy#971."""
    answer = ask(agent.dns_port, "six.service.consul", "SRV")

    targets = {row.split()[-1] for row in records(answer, "SRV")}
    glue = {str(row.rname): str(row.rdata) for row in answer.ar if row.rtype == QTYPE.AAAA}
    assert targets == {"n2.node.dc1.consul.", SEVENTY_SEVEN}
    assert set(glue) == targets
    for target, address in glue.items():
        assert records(ask(agent.dns_port, target, "AAAA"), "AAAA") == [address]


def test_two_ports_on_one_host_are_two_srv_and_one_address(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#5968, fabiolb/fabio#167."""
    addresses = ask(agent.dns_port, "multi.service.consul", "A")
    services = ask(agent.dns_port, "multi.service.consul", "SRV")

    assert records(addresses, "A") == ["10.0.0.3"]
    assert {row.split()[2] for row in records(services, "SRV")} == {"1001", "1002"}


def test_address_name_answers_its_own_family_only(agent: AgentProcess) -> None:
    """1.9.8 answers A to an AAAA question. Source: haproxy/haproxy#971."""
    wrong_family = ask(agent.dns_port, "0a000001.addr.dc1.consul", "AAAA")
    malformed = ask(agent.dns_port, "0a00.addr.dc1.consul", "A")

    assert records(ask(agent.dns_port, "0a000001.addr.dc1.consul", "A"), "A") == ["10.0.0.1"]
    assert (rcode(wrong_family), wrong_family.rr) == ("NOERROR", [])
    assert rcode(malformed) == "NXDOMAIN"


def test_bracketed_address_is_refused_or_normalised(agent: AgentProcess) -> None:
    """1.9.8 makes a broken CNAME of it. Source: hashicorp/consul#2446."""
    service = {"Service": "bracket", "Port": 1, "Address": "[2001:db8::9]"}
    body = {"Node": "n9", "Address": "10.0.0.9", "Service": service}

    written = agent.put("/v1/catalog/register", body)

    if written.status == 200:
        answer = ask(agent.dns_port, "bracket.service.consul", "AAAA")
        assert records(answer, "AAAA") == ["2001:db8::9"]
        assert records(answer, "CNAME") == []
    else:
        assert written.status == 400


def test_url_as_an_address_makes_no_broken_name(agent: AgentProcess) -> None:
    """1.9.8 makes a broken CNAME of it. Source: hashicorp/consul#9170."""
    service = {"Service": "urlish", "Port": 1, "Address": "https://a.example/x"}
    body = {"Node": "n10", "Address": "10.0.0.10", "Service": service}

    written = agent.put("/v1/catalog/register", body)

    if written.status == 200:
        assert records(ask(agent.dns_port, "urlish.service.consul", "A"), "CNAME") == []
    else:
        assert written.status == 400


def test_reverse_lookup_of_an_unknown_address_is_no_server_failure(agent: AgentProcess) -> None:
    """1.9.8 answers SERVFAIL with RA. Source: hashicorp/consul#10577."""
    known = ask(agent.dns_port, "1.0.0.10.in-addr.arpa", "PTR")
    unknown = ask(agent.dns_port, "1.2.3.4.in-addr.arpa", "PTR")

    assert records(known, "PTR") == ["n1.node.dc1.consul."]
    assert rcode(unknown) in ("NXDOMAIN", "REFUSED")
    assert unknown.header.ra == 0


def test_service_that_names_itself_ends_at_its_node(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1800, #4918."""
    assert records(ask(agent.dns_port, "loop.service.consul", "A"), "A") == ["10.7.0.2"]


def test_service_that_names_another_is_a_chain(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#4918."""
    answer = ask(agent.dns_port, "lc.service.consul", "A")

    assert records(answer, "CNAME") == ["web.service.consul."]
    assert records(answer, "A") == ["10.0.0.1"]


def test_chaos_class_is_refused(agent: AgentProcess) -> None:
    """1.9.8 answers it as IN. Source: hashicorp/consul#9170."""
    wire = exchange(agent.dns_port, question("web.service.consul", "A", qclass=3))

    assert rcode(DNSRecord.parse(wire)) == "REFUSED"


@pytest.mark.parametrize("opcode", [4, 5])
def test_notify_and_update_are_not_implemented(agent: AgentProcess, opcode: int) -> None:
    """1.9.8 answers them as queries. Source: hashicorp/consul#9170."""
    query = DNSRecord.question("web.service.consul", "A")
    query.header.opcode = opcode

    assert rcode(DNSRecord.parse(exchange(agent.dns_port, query.pack()))) == "NOTIMP"


def test_foreign_name_without_recursors_is_refused(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#10577."""
    assert rcode(ask(agent.dns_port, "example.com", "A")) == "REFUSED"
