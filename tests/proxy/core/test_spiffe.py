import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.connection import Peer
from proxy.core.spiffe import parse_peer

WEB = "spiffe://11.consul/ns/default/dc/dc1/svc/web"


def service_of(uri: str) -> tuple[str, str, str]:
    peer = parse_peer(uri, "0a")
    return peer.trust_domain, peer.datacenter, peer.service


def test_service_is_read_with_its_datacenter_and_serial() -> None:
    expected = Peer(
        uri=WEB, trust_domain="11.consul", datacenter="dc1", service="web", serial="0a:1b"
    )

    assert expected == parse_peer(WEB, "0a:1b")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("spiffe://11.CONSUL/ns/default/dc/dc1/svc/web", ("11.consul", "dc1", "web")),
        ("spiffe://11.consul/ap/default/ns/default/dc/dc1/svc/web", ("11.consul", "dc1", "web")),
        ("spiffe://11.consul/ns/default/dc/dc1/svc/we%62%2Fx", ("11.consul", "dc1", "web/x")),
    ],
)
def test_forms_of_a_service(uri: str, expected: tuple[str, str, str]) -> None:
    assert expected == service_of(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://11.consul",
        "spiffe://11.consul/agent/client/dc/dc1/id/node",
        "spiffe://11.consul/agent/server/dc/dc1",
        "spiffe://11.consul/gateway/mesh/dc/dc1",
        "spiffe://11.consul/ns/other/dc/dc1/svc/web",
        "spiffe://11.consul/ap/other/ns/default/dc/dc1/svc/web",
        WEB + "/more",
        WEB + "/",
        "spiffe://11.consul/ns/default/dc/dc1/svc/",
        "spiffe://11.consul//ns/default/dc/dc1/svc/web",
    ],
)
def test_what_is_no_service_of_the_mesh_has_an_empty_one(uri: str) -> None:
    trust_domain, _, service = service_of(uri)

    assert ("11.consul", "") == (trust_domain, service)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "web",
        "spiffe://11.consul/ns/default/dc/dc1/svc/we\r\nb",
        " spiffe://11.consul/ns/default/dc/dc1/svc/web",
        "spiffe://11.consul/ns/default/dc/dc1/svc/w\u00e9b",
        WEB + "?x=1",
        WEB + "#x",
        "https://11.consul/ns/default/dc/dc1/svc/web",
        "spiffe://11.consul:80/ns/default/dc/dc1/svc/web",
        "spiffe://me@11.consul/ns/default/dc/dc1/svc/web",
        "spiffe://[11.consul/ns/default/dc/dc1/svc/web",
        "spiffe://11.consul/ns/default/dc/dc1/svc/%ff",
        "spiffe://11.consul/ns/default/dc/dc1/svc/" + "x" * 2048,
    ],
)
def test_what_is_no_spiffe_id_is_of_no_trust_domain(uri: str) -> None:
    assert ("", "", "") == service_of(uri)


@pytest.mark.parametrize(
    ("uri", "datacenter"),
    [
        ("spiffe://11.consul/gateway/mesh/dc/dc2", "dc2"),
        ("spiffe://11.consul/agent/client/dc/dc3/id/node", "dc3"),
        ("spiffe://11.consul/agent/server/dc/dc4", "dc4"),
    ],
)
def test_datacenter_is_known_also_of_what_is_no_service(uri: str, datacenter: str) -> None:
    assert datacenter == parse_peer(uri, "").datacenter


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert text == parse_peer(text, "").uri
