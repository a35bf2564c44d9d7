"""Terminating gateways that speak for a service: a part of what serves it with mutual TLS."""

from typing import Any

import pytest

from catalog.commands import ConfigEntryDelete, ConfigEntryPut, Deregister
from catalog.queries.catalog import connect_instances
from catalog.queries.health import connect_nodes
from catalog.queries.terminating import gateway_instances
from catalog.rows.config_entry import decode_entry
from tests.catalog.replica import Replica, check, service

TERMINATING = "terminating-gateway"


@pytest.fixture
def site(replica: Replica) -> Replica:
    """web and db, and a terminating gateway for db by name and for all others by the wildcard."""
    for name in ("web", "db"):
        replica.register("n", service=service(name))
    replica.register("n", check("c"), service=service("out", kind=TERMINATING))
    services = [{"Name": "db"}, {"Name": "*"}]
    entry = {"Kind": TERMINATING, "Name": "out", "Services": services}
    replica.do(ConfigEntryPut(entry=decode_entry(entry)))
    return replica


def test_without_entries_there_are_none(replica: Replica) -> None:
    assert [] == gateway_instances(replica.store, "web")


def test_health_shows_the_gateway_with_its_checks(site: Replica) -> None:
    (found,), _ = site.read(connect_nodes, "db", (), {})

    assert ("out", ["c"]) == (found.service.id, [each.check_id for each in found.checks])


def test_a_service_that_is_not_linked_has_no_gateway(site: Replica) -> None:
    entry = {"Kind": TERMINATING, "Name": "out", "Services": [{"Name": "db"}]}
    site.do(ConfigEntryPut(entry=decode_entry(entry)))

    assert [] == site.read(connect_nodes, "web", (), {})[0]


def test_terminating_instances_are_found_by_the_service_they_reach(site: Replica) -> None:
    for name in ("db", "web"):
        found, _ = site.read(connect_instances, name)
        assert [row.service.id for row in found] == ["out"]


def test_service_of_a_gateways_name_that_is_none_is_left_out(site: Replica) -> None:
    site.register("m", service=service("out", "fake"))

    found, _ = site.read(connect_instances, "db")

    assert [row.service.id for row in found] == ["out"]


CHANGES = {
    "its service is gone": lambda site: site.do(Deregister(node="n", service_id="web")),
    "the gateway's instance changes": lambda site: site.register(
        "n", service=service("out", kind=TERMINATING, port=1)
    ),
    "the gateway's instance is gone": lambda site: site.do(Deregister(node="n", service_id="out")),
    "the gateway is none any more": lambda site: site.register("n", service=service("out")),
    "its node's check turns": lambda site: site.register("n", check("c", "critical")),
    "its entry is gone": lambda site: site.do(ConfigEntryDelete(kind=TERMINATING, name="out")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_index_moves_and_a_waiter_hears_when(site: Replica, change: Any) -> None:
    woken: list[int] = []
    _, before = site.read(connect_instances, "web")
    site.store.watches.add(before.watched, lambda: woken.append(1))

    change(site)

    _, after = site.read(connect_instances, "web")
    assert before.index < after.index == site.index
    assert woken == [1]


def test_waiter_for_a_service_yet_to_come_hears_of_its_first_instance(site: Replica) -> None:
    woken: list[int] = []
    found, before = site.read(connect_instances, "new")
    assert found == []
    site.store.watches.add(before.watched, lambda: woken.append(1))

    site.register("m", service=service("new"))

    found, after = site.read(connect_instances, "new")
    assert [row.service.id for row in found] == ["out"]
    assert before.index < after.index
    assert woken == [1]
