"""Rows to records: health, weights, targets, addresses of both families, meta."""

from typing import Any

import pytest

from agent.dns import answer, wire
from agent.dns.answer import Question
from agent.dns.settings import DnsSettings
from agent.dns.wire import Address, Alias, Record, Service, Text
from catalog.rows.check import CRITICAL, PASSING, WARNING, CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService, ServiceAddress, Weights

WEB = (b"web", b"service", b"consul")
TEN = b"\x0a\0\0\1"
SIX = b"\xfd" + bytes(14) + b"\1"


def question(
    kind: int, *, datacenter: str = "dc1", edns: bool = False, **settings: Any
) -> Question:
    return Question(
        name=WEB,
        kind=kind,
        has_edns=edns,
        domain=(b"consul",),
        datacenter=datacenter,
        settings=DnsSettings(**settings),
    )


def instance(
    node: str = "n1", address: str = "10.0.0.1", *statuses: str, **service: Any
) -> CheckServiceNode:
    tagged = service.pop("node_tagged", None)
    meta = service.pop("node_meta", None)
    return CheckServiceNode(
        node=Node(node=node, address=address, tagged_addresses=tagged, meta=meta),
        service=NodeService(**{"service": "web", "port": 80, **service}),
        checks=tuple(HealthCheck(node=node, status=status) for status in statuses),
    )


def nothing(name: wire.Name) -> tuple[Record, ...]:
    return ()


def contents(kind: int, *nodes: CheckServiceNode, **fields: Any) -> list[wire.Rdata]:
    reply = answer.service_reply(question(kind, **fields), nodes, 0, nothing)
    return [share.answer.rdata for share in reply.shares]


@pytest.mark.parametrize(
    ("statuses", "is_kept", "is_kept_when_only_passing"),
    [
        ((), True, True),
        ((PASSING,), True, True),
        ((PASSING, WARNING), True, False),
        ((PASSING, CRITICAL), False, False),
    ],
)
def test_critical_is_dropped_and_warning_only_on_demand(
    statuses: tuple[str, ...], is_kept: bool, is_kept_when_only_passing: bool
) -> None:
    nodes = [instance("n1", "10.0.0.1", *statuses)]

    assert is_kept == bool(answer.healthy(nodes, only_passing=False))
    assert is_kept_when_only_passing == bool(answer.healthy(nodes, only_passing=True))


@pytest.mark.parametrize(
    ("statuses", "weight"), [((), 7), ((PASSING,), 7), ((WARNING,), 3), ((CRITICAL,), 0)]
)
def test_weight_follows_the_state(statuses: tuple[str, ...], weight: int) -> None:
    node = instance("n1", "10.0.0.1", *statuses, weights=Weights(passing=7, warning=3))

    [srv] = contents(wire.SRV, node)

    assert isinstance(srv, Service)
    assert weight == srv.weight


def test_same_address_is_answered_once_and_each_port_once_in_srv() -> None:
    nodes = [
        instance(port=1001, id="a"),
        instance(port=1002, id="b"),
        instance(port=1002, id="c"),
    ]

    assert [Address(TEN)] == contents(wire.A, *nodes)
    ports = [srv.port for srv in contents(wire.SRV, *nodes) if isinstance(srv, Service)]
    assert ports == [1001, 1002]


@pytest.mark.parametrize(
    ("node", "target"),
    [
        (instance(), (b"n1", b"node", b"dc1", b"consul")),
        (instance(address="[fd00::1]"), (b"n1", b"node", b"dc1", b"consul")),
        (instance("a.b"), (b"a", b"b", b"node", b"dc1", b"consul")),
        (instance("x" * 64), (b"0a000001", b"addr", b"dc1", b"consul")),
        (instance(address="host.example"), (b"host", b"example")),
    ],
)
def test_srv_target_resolves_to_the_instance(node: CheckServiceNode, target: wire.Name) -> None:
    reply = answer.service_reply(question(wire.SRV), [node], 0, nothing)

    [share] = reply.shares

    assert isinstance(share.answer.rdata, Service)
    assert target == share.answer.rdata.target
    packed = answer.address_bytes(node.node.address)
    glue = () if packed is None else (Record(target, 0, Address(packed)),)
    assert glue == share.glue


def test_service_address_goes_before_the_nodes_and_gives_an_addr_target() -> None:
    node = Node(node="n1", address="10.9.9.9")
    own = CheckServiceNode(node=node, service=NodeService(service="web", address="10.0.0.1"))

    assert [Address(TEN)] == contents(wire.A, own)
    [srv] = contents(wire.SRV, own)
    assert isinstance(srv, Service)
    assert srv.target == (b"0a000001", b"addr", b"dc1", b"consul")


@pytest.mark.parametrize("kind", [wire.A, wire.AAAA, wire.ANY, wire.TXT, wire.MX, wire.CNAME])
def test_families_answer_their_own_types(kind: int) -> None:
    four, six = instance(), instance("n2", "fd00::1")

    expected = {
        wire.A: [Address(TEN)],
        wire.AAAA: [Address(SIX)],
        wire.ANY: [Address(TEN), Address(SIX)],
        wire.TXT: [Address(TEN), Address(SIX)],
    }.get(kind, [])
    assert expected == contents(kind, four, six)


def test_dual_stack_nodes_answer_both_families() -> None:
    node = instance(node_tagged={"lan_ipv4": "10.0.0.1", "lan_ipv6": "fd00::1"})

    assert [Address(TEN)] == contents(wire.A, node)
    assert [Address(SIX)] == contents(wire.AAAA, node)


def test_wan_addresses_and_ports_are_given_for_another_datacenter_on_demand() -> None:
    wan = {"wan": ServiceAddress(address="198.18.0.1", port=9191)}
    node = instance("n1", "10.0.0.9", tagged_addresses=wan, node_tagged={"wan": "198.18.0.9"})
    remote = {"datacenter": "dc2", "translate_wan_addrs": True}

    assert [Address(bytes((198, 18, 0, 1)))] == contents(wire.A, node, **remote)
    [srv] = contents(wire.SRV, node, **remote)
    assert Service(1, 9191, (b"c6120001", b"addr", b"dc2", b"consul")) == srv
    assert [Address(bytes((10, 0, 0, 9)))] == contents(wire.A, node, datacenter="dc2")
    assert [Address(bytes((10, 0, 0, 9)))] == contents(wire.A, node, translate_wan_addrs=True)
    bare = instance("n1", "10.0.0.9", node_tagged={"wan": "198.18.0.9"})
    assert [Address(bytes((198, 18, 0, 9)))] == contents(wire.A, bare, **remote)


def test_host_name_is_answered_only_where_no_address_is() -> None:
    host = instance("n1", "svc.example")

    assert [Alias(wire.CNAME, (b"svc", b"example"))] == contents(wire.A, host)
    assert [Alias(wire.CNAME, (b"svc", b"example"))] == contents(wire.CNAME, host)
    assert [Address(TEN)] == contents(wire.A, host, instance())


@pytest.mark.parametrize("address", ["https://a.example/x", "[2001:db8::9", "a b", "x" * 64])
def test_address_that_is_no_name_is_passed_over(address: str) -> None:
    assert contents(wire.A, instance("n1", address)) == []
    assert contents(wire.SRV, instance("n1", address)) == []


def test_chain_is_cut_for_clients_without_edns_and_takes_the_ttl() -> None:
    chain = tuple(Record((b"svc", b"example"), 99, Address(bytes((10, 0, 0, n)))) for n in range(9))
    host = [instance("n1", "svc.example")]

    cut = answer.service_reply(question(wire.A), host, 7, lambda _: chain)
    whole = answer.service_reply(question(wire.A, edns=True), host, 7, lambda _: chain)

    assert len(cut.shares) == 1 + answer.CHAIN_RECORDS_MAX
    assert len(whole.shares) == 1 + 9
    assert {share.answer.ttl_s for share in whole.shares} == {7}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("key", "a=b", "key=a=b"),
        ("a=b", "c", "a`=b=c"),
        ("a`b", "c", "a``b=c"),
        ("  a ", "c", "` ` a` =c"),
        ("rfc1035-00", "v=spf1", "v=spf1"),
        ("RFC1035-x", "plain", "plain"),
        ("consul-network-segment", "", "consul-network-segment="),
    ],
)
def test_meta_is_escaped_as_rfc_1464(key: str, value: str, expected: str) -> None:
    node = Node(node="n1", address="10.0.0.1", meta={key: value})

    reply = answer.node_reply(question(wire.TXT), node, nothing)

    assert [Text(expected.encode())] == [share.answer.rdata for share in reply.shares]


def test_meta_beside_answers_can_be_turned_off_and_txt_still_answers() -> None:
    node = Node(node="n1", address="10.0.0.1", meta={"k": "v"})
    off = {"enable_additional_node_meta_txt": False}

    assert answer.node_reply(question(wire.A), node, nothing).notes
    assert not answer.node_reply(question(wire.A, **off), node, nothing).notes
    assert answer.node_reply(question(wire.TXT, **off), node, nothing).shares


def test_three_name_servers_at_most_and_none_with_odd_names() -> None:
    names = ["a_b", "A", "b", "b", "c", "d"]
    nodes = [instance(name, f"10.0.0.{n}") for n, name in enumerate(names, 1)]

    records, glue = answer.servers_of(question(wire.NS, node_ttl_s=5), nodes)

    targets = [record.rdata.target[0] for record in records if isinstance(record.rdata, Alias)]
    assert targets == [b"a", b"b", b"c"]
    assert [(r.owner[0], r.ttl_s) for r in glue] == [(b"a", 5), (b"b", 5), (b"c", 5)]


def test_host_names_to_resolve_are_one_but_all_for_srv() -> None:
    nodes = [instance("n1", "a.example"), instance("n2", "b.example"), instance()]

    assert answer.hosts_of(question(wire.A), nodes) == ((b"a", b"example"),)
    assert answer.hosts_of(question(wire.SRV), nodes) == ((b"a", b"example"), (b"b", b"example"))
