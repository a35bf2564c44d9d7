"""Every name form, and names that only look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dns import names, wire
from agent.dns.names import (
    AddressLookup,
    Lookup,
    NodeLookup,
    NoSuchName,
    Outside,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
)
from agent.dns.settings import DnsSettings

SETTINGS = DnsSettings(domain="Consul.", alt_domain="test.consul.", datacenter="DC1")


def name(text: str) -> wire.Name:
    return tuple(label.encode() for label in text.split("."))


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("web.service.consul", wire.A, ServiceLookup("web", (), "service", "dc1")),
        ("WEB.Service.DC2.consul", wire.A, ServiceLookup("web", (), "service", "dc2")),
        ("v1.2.web.service.consul", wire.A, ServiceLookup("web", ("v1.2",), "service", "dc1")),
        ("_web._a.service.consul", wire.A, ServiceLookup("web", ("a",), "service", "dc1")),
        ("_web._TCP.service.consul", wire.A, ServiceLookup("web", (), "service", "dc1")),
        ("_web._a.consul", wire.SRV, ServiceLookup("web", ("a",), "service", "dc1")),
        ("_web._a.dc2.consul", wire.SRV, ServiceLookup("web", ("a",), "service", "dc2")),
        ("_web._a.consul", wire.A, NoSuchName()),
        ("x._web._a.service.consul", wire.A, ServiceLookup("_a", ("x._web",), "service", "dc1")),
        ("web.connect.consul", wire.SRV, ServiceLookup("web", (), "connect", "dc1")),
        ("x.web.ingress.dc2.consul", wire.A, ServiceLookup("web", (), "ingress", "dc2")),
        ("a.b.node.consul", wire.A, NodeLookup("a.b", "dc1")),
        ("a.b.query.dc2.consul", wire.A, QueryLookup("a.b", "dc2")),
        ("_q1._tcp.query.consul", wire.SRV, QueryLookup("q1", "dc1")),
        ("0A000001.addr.consul", wire.A, AddressLookup(b"\x0a\0\0\1")),
        ("fd" + "0" * 30 + ".addr.dc1.consul", wire.A, AddressLookup(b"\xfd" + bytes(15))),
        ("web.service.test.consul", wire.A, ServiceLookup("web", (), "service", "dc1")),
        ("web.service.dc2.dc.consul", wire.A, ServiceLookup("web", (), "service", "dc2")),
        ("web.service.a.b.consul", wire.A, NoSuchName()),
        ("service.consul", wire.A, NoSuchName()),
        ("node.consul", wire.A, NoSuchName()),
        ("0a00000g.addr.consul", wire.A, NoSuchName()),
        ("0a00.addr.consul", wire.A, NoSuchName()),
        ("x.0a000001.addr.consul", wire.A, NoSuchName()),
        ("web.virtual.consul", wire.A, NoSuchName()),
        ("consul", wire.A, NoSuchName()),
        ("example.com", wire.A, Outside()),
        ("web.service.notconsul", wire.A, Outside()),
        ("4.3.2.1.in-addr.arpa", wire.PTR, ReverseLookup("1.2.3.4")),
        ("4.3.2.1.IN-ADDR.ARPA", wire.PTR, ReverseLookup("1.2.3.4")),
        ("1." + "0." * 29 + "d.f.ip6.arpa", wire.PTR, ReverseLookup("fd00::1")),
        ("3.2.1.in-addr.arpa", wire.PTR, Outside()),
        ("256.3.2.1.in-addr.arpa", wire.PTR, Outside()),
        ("01.3.2.1.in-addr.arpa", wire.PTR, Outside()),
        ("x." + "0." * 29 + "d.f.ip6.arpa", wire.PTR, Outside()),
        ("arpa", wire.PTR, Outside()),
    ],
)
def test_name_means(text: str, kind: int, expected: Lookup) -> None:
    assert expected == names.parse(name(text), kind, SETTINGS).lookup


def test_longer_domain_is_tried_first_and_ends_generated_names() -> None:
    alternative = names.parse(name("web.service.TEST.consul"), wire.A, SETTINGS)
    own = names.parse(name("web.service.consul"), wire.A, SETTINGS)

    assert alternative.domain == (b"test", b"consul")
    assert own.domain == (b"consul",)


def test_dot_inside_a_label_never_parts_a_name() -> None:
    asked = names.parse((b"a.b", b"node", b"consul"), wire.A, SETTINGS)

    assert NodeLookup("a\\.b", "dc1") == asked.lookup


@given(labels=st.lists(st.binary(min_size=1, max_size=63), max_size=8), kind=st.integers(0, 0xFFFF))
def test_any_labels_mean_something(labels: list[bytes], kind: int) -> None:
    for tail in ((), (b"consul",), (b"arpa",), (b"service", b"consul"), (b"addr", b"consul")):
        assert names.parse((*labels, *tail), kind, SETTINGS).lookup is not None


@pytest.mark.parametrize("text", ["host.example", "host.example.", "a_b", "10-0-0-1.x"])
def test_host_names_are_accepted(text: str) -> None:
    assert name(text.rstrip(".")) == names.host_name(text)


@pytest.mark.parametrize(
    "text", ["", ".", "https://a.example/x", "[2001:db8::9", "a..b", "x" * 64, "a b", ".a"]
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    assert names.host_name(text) is None


def test_generated_names_fit_in_dns_or_are_none() -> None:
    domain = (b"consul",)

    assert name("a.B.node.dc1.consul") == names.node_name("a.B", "dc1", domain)
    assert name("web.service.dc1.consul") == names.service_name("web", "dc1", domain)
    assert name("0a000001.addr.dc1.consul") == names.address_name(b"\x0a\0\0\1", "dc1", domain)
    assert names.node_name("x" * 64, "dc1", domain) is None
    assert names.service_name("", "dc1", domain) is None


@pytest.mark.parametrize(
    ("node", "is_usable"), [("node-1", True), ("a.b", False), ("a_b", False), ("x" * 64, False)]
)
def test_only_plain_names_stand_in_ns_records(node: str, is_usable: bool) -> None:
    assert is_usable == names.is_server_name(node)
