"""Who calls whom, by declarations. Source: Consul API, service topology of the UI."""

from typing import Any

import pytest

from catalog.commands import ConfigEntryPut
from catalog.intentions import ALLOWED_BY_DEFAULT, Decision
from catalog.queries.topology import instances, intentions, neighbours, summary
from catalog.rows.config_entry import decode_entry, normalize
from catalog.rows.service import ConnectProxy, NodeService, Upstream
from tests.catalog.replica import Replica, service

DENIED = Decision(False, "nobody")


def proxy(of: str, *upstreams: Upstream | str, **fields: Any) -> NodeService:
    made = tuple(
        Upstream(destination_name=each) if isinstance(each, str) else each for each in upstreams
    )
    told = ConnectProxy(destination_service_name=of, upstreams=made, **fields)
    return service(f"{of}-sidecar-proxy", kind="connect-proxy", proxy=told)


def write(replica: Replica, kind: str, name: str, **fields: Any) -> None:
    replica.do(
        ConfigEntryPut(entry=normalize(decode_entry({"Kind": kind, "Name": name, **fields})))
    )


@pytest.fixture
def site(replica: Replica) -> Replica:
    """front and admin call back, back calls db; each has a sidecar."""
    for name, upstreams in {"front": ["back"], "admin": ["back"], "back": ["db"], "db": []}.items():
        replica.register("n", service=service(name))
        replica.register("n", service=proxy(name, *upstreams))
    return replica


def around(site: Replica, name: str, kind: str = "") -> Any:
    return site.read(neighbours, name, kind, "dc1")[0]


def test_declared_upstreams_go_both_ways(site: Replica) -> None:
    found = around(site, "back")

    assert ("tcp", False) == (found.protocol, found.is_transparent)
    assert (("db",), ("admin", "front")) == (found.upstreams, found.downstreams)


def test_a_chain_stands_for_all_it_may_lead_to(site: Replica) -> None:
    write(site, "service-defaults", "back", Protocol="http")
    write(site, "service-defaults", "back-new", Protocol="http")
    splits = [{"Weight": 50, "Service": "back"}, {"Weight": 50, "Service": "back-new"}]
    write(site, "service-splitter", "back", Splits=splits)

    assert ("back", "back-new") == around(site, "front").upstreams
    assert ("admin", "front") == around(site, "back-new").downstreams
    assert "http" == around(site, "back").protocol


def test_what_is_not_a_service_here_is_left_out(site: Replica) -> None:
    others = [
        Upstream(destination_name="far", datacenter="dc2"),
        Upstream(destination_name="query", destination_type="prepared_query"),
        Upstream(destination_name="peered", destination_peer="p"),
        Upstream(destination_name="near", datacenter="dc1"),
    ]
    site.register("n", service=proxy("front", *others))

    assert ("near",) == around(site, "front").upstreams
    assert () == around(site, "far").downstreams


def test_transparent_proxy_is_told(site: Replica) -> None:
    site.register("n", service=proxy("front", mode="transparent"))

    assert around(site, "front").is_transparent


def test_ingress_gateway_calls_what_is_linked_to_it(site: Replica) -> None:
    listeners = [{"Port": 8080, "Protocol": "tcp", "Services": [{"Name": "front"}]}]
    write(site, "ingress-gateway", "door", Listeners=listeners)

    assert (("front",), ()) == (
        around(site, "door", "ingress-gateway").upstreams,
        around(site, "door", "ingress-gateway").downstreams,
    )
    assert ("door",) == around(site, "front").downstreams


def test_nobody_is_around_a_service_that_is_not_there(site: Replica) -> None:
    found = around(site, "nothing")

    assert ((), ()) == (found.upstreams, found.downstreams)


def test_instances_come_with_their_proxies(site: Replica) -> None:
    found, _ = site.read(instances, ("db", "nothing"))

    assert ["db", "db-sidecar-proxy"] == [row.service.service for row in found]


def test_answer_changes_with_registrations_and_entries(site: Replica) -> None:
    _, before = site.read(neighbours, "back", "", "dc1")
    write(site, "service-defaults", "back", Protocol="http")
    _, after = site.read(neighbours, "back", "", "dc1")

    assert before.index < after.index == site.index


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("front", (True, False, True)),
        ("admin", (False, False, True)),
        ("picky", (False, True, True)),
        ("other", (False, False, False)),
    ],
)
def test_first_intention_of_a_pair_is_summed_up(
    site: Replica, source: str, expected: tuple[bool, bool, bool]
) -> None:
    write(site, "service-defaults", "back", Protocol="http")
    permission = {"Action": "allow", "HTTP": {"PathPrefix": "/"}}
    sources = [
        {"Name": "front", "Action": "allow"},
        {"Name": "admin", "Action": "deny"},
        {"Name": "picky", "Permissions": [permission]},
        {"Name": "*", "Action": "deny"},
    ]
    write(site, "service-intentions", "back", Sources=sources)
    known, _ = site.read(intentions)

    found = summary(source, "back", known, ALLOWED_BY_DEFAULT)

    assert expected == (found.allowed, found.has_permissions, found.has_exact)
    assert found.default_allow


def test_without_an_intention_the_default_holds(site: Replica) -> None:
    found = summary("front", "back", (), DENIED)

    assert (False, False, False) == (found.default_allow, found.allowed, found.has_exact)


def test_external_source_is_who_made_the_intention(site: Replica) -> None:
    sources = [{"Name": "front", "Action": "allow"}]
    write(site, "service-intentions", "back", Sources=sources, Meta={"external-source": "nomad"})
    known, _ = site.read(intentions)

    assert "nomad" == summary("front", "back", known, DENIED).external_source
