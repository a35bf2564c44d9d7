from typing import Any

import pytest

from catalog.commands import ConfigEntryPut
from catalog.queries import gateway
from catalog.rows.config_entry import decode_entry
from tests.catalog.replica import Replica, check, service

INGRESS = "ingress-gateway"
TERMINATING = "terminating-gateway"


def write(replica: Replica, body: dict[str, Any]) -> None:
    replica.do(ConfigEntryPut(entry=decode_entry(body)))


@pytest.fixture
def site(replica: Replica) -> Replica:
    """web and db; an ingress gateway for web, a terminating one for all others than db."""
    for name in ("web", "db", "consul"):
        replica.register("n", service=service(name))
    replica.register("n", service=service("in", kind=INGRESS))
    replica.register("n", check("c"), service=service("out", kind=TERMINATING))
    listener = {"Port": 80, "Protocol": "tcp", "Services": [{"Name": "web"}]}
    write(replica, {"Kind": INGRESS, "Name": "in", "Listeners": [listener]})
    services = [{"Name": "db", "CAFile": "ca.pem", "SNI": "db.local"}, {"Name": "*"}]
    write(replica, {"Kind": TERMINATING, "Name": "out", "Services": services})
    return replica


def test_ingress_gateway_exposes_what_its_listeners_name(site: Replica) -> None:
    found, read = site.read(gateway.services_of, "IN")

    assert [(row.gateway, row.service, row.port, row.from_wildcard) for row in found] == [
        ("in", "web", 80, False)
    ]
    assert read.index == site.index


def test_wildcard_stands_for_every_typical_service_not_named_itself(site: Replica) -> None:
    found, _ = site.read(gateway.services_of, "out")

    assert [(row.service, row.sni, row.from_wildcard) for row in found] == [
        ("db", "db.local", False),
        ("web", "", True),
    ]


def test_wildcard_of_an_ingress_gateway_stands_for_every_typical_service(site: Replica) -> None:
    listener = {"Port": 81, "Protocol": "http", "Services": [{"Name": "*"}]}
    write(site, {"Kind": INGRESS, "Name": "in", "Listeners": [listener]})

    found, _ = site.read(gateway.services_of, "in")

    assert [(row.service, row.from_wildcard) for row in found] == [("db", True), ("web", True)]


def test_gateway_without_an_entry_has_no_services(site: Replica) -> None:
    assert site.read(gateway.services_of, "none")[0] == []


def test_ingress_instances_are_found_by_the_service_they_expose(site: Replica) -> None:
    found, _ = site.read(gateway.ingress_nodes, "WEB", (), {})

    assert [row.service.id for row in found] == ["in"]
    assert site.read(gateway.ingress_nodes, "db", (), {})[0] == []
    assert site.read(gateway.ingress_nodes, "web", ("tag",), {})[0] == []


def test_api_gateway_has_the_services_of_the_routes_at_its_listeners(replica: Replica) -> None:
    listeners = [
        {"Name": "web", "Port": 80, "Protocol": "http"},
        {"Name": "raw", "Port": 81, "Protocol": "tcp"},
    ]
    write(replica, {"Kind": "api-gateway", "Name": "gw", "Listeners": listeners})
    rule = {"Services": [{"Name": "a"}, {"Name": "b"}]}
    write(
        replica,
        {
            "Kind": "http-route",
            "Name": "r",
            "Parents": [{"Kind": "api-gateway", "Name": "gw"}],
            "Rules": [rule, rule],
            "Hostnames": ["x.example"],
        },
    )
    for name, section in (("t", "raw"), ("u", "none")):
        parent = {"Kind": "api-gateway", "Name": "gw", "SectionName": section}
        services = [{"Name": f"db-{name}"}]
        write(
            replica, {"Kind": "tcp-route", "Name": name, "Parents": [parent], "Services": services}
        )

    found, _ = replica.read(gateway.services_of, "GW")

    assert [(row.service, row.port, row.protocol, row.hosts) for row in found] == [
        ("a", 80, "http", ("x.example",)),
        ("b", 80, "http", ("x.example",)),
        ("db-t", 81, "tcp", None),
    ]
