from typing import Any

import pytest

from catalog.queries import health
from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Node
from catalog.rows.service import ConnectProxy, ServiceConnect
from catalog.watch import index_key
from tests.catalog.replica import Replica, check, service

ID = "aaaa1111-0000-0000-0000-000000000000"


@pytest.fixture
def site(replica: Replica) -> Replica:
    """web on n (own check warning, service check passing) and on m (rack 1); a lone node o."""
    replica.register("n", service=service("db"), id=ID)
    replica.register("n", service=service("web", tags=("Blue",)))
    replica.register(
        "n",
        check("own", "warning"),
        check("c", service_id="web"),
        check("other", "critical", service_id="db"),
    )
    replica.register("m", check("c", service_id="web"), service=service("web"), meta={"rack": "1"})
    replica.register("o", check("own"))
    return replica


def names(checks: list[Any]) -> list[tuple[str, str]]:
    return [(row.node, row.check_id) for row in checks]


@pytest.mark.parametrize("name", ["n", "N", "aaaa"])
def test_node_has_its_own_checks_and_those_of_its_instances(site: Replica, name: str) -> None:
    found, read = site.read(health.node_checks, name)

    assert names(found) == [("n", "c"), ("n", "other"), ("n", "own")]
    assert read.watched == [index_key("nodes"), index_key("checks")]
    assert read.index == site.index


def test_unknown_node_has_no_checks(site: Replica) -> None:
    assert site.read(health.node_checks, "nobody")[0] == []


@pytest.mark.parametrize(
    ("name", "meta", "checks"),
    [
        ("web", {}, [("m", "c"), ("n", "c")]),
        ("WEB", {"rack": "1"}, [("m", "c")]),
        ("none", {}, []),
        ("", {}, []),
    ],
)
def test_service_has_the_checks_of_its_instances_only(
    site: Replica, name: str, meta: dict[str, str], checks: list[tuple[str, str]]
) -> None:
    found, read = site.read(health.service_checks, name, meta)

    assert names(found) == checks
    assert (index_key("nodes") in read.watched) == bool(meta)
    assert read.index == site.index


@pytest.mark.parametrize(
    ("state", "meta", "count"),
    [
        ("any", {}, 5),
        ("any", {"rack": "1"}, 1),
        ("passing", {}, 3),
        ("warning", {}, 1),
        ("critical", {}, 1),
        ("critical", {"rack": "1"}, 0),
        ("unheard-of", {}, 0),
    ],
)
def test_checks_are_found_by_state(
    site: Replica, state: str, meta: dict[str, str], count: int
) -> None:
    found, read = site.read(health.checks_in_state, state, meta)

    assert len(found) == count
    assert index_key("checks") in read.watched


def test_tags_of_checks_are_never_null(site: Replica) -> None:
    found, _ = site.read(health.checks_in_state, "any", {})

    assert [row.service_tags for row in found] == [(), ("Blue",), (), (), ()]


def test_instance_comes_with_its_node_and_all_checks_that_bear_on_it(site: Replica) -> None:
    found, _ = site.read(health.service_nodes, "web", (), {})

    assert [(row.node.node, row.service.id) for row in found] == [("m", "web"), ("n", "web")]
    assert [[row.check_id for row in instance.checks] for instance in found] == [
        ["c"],
        ["own", "c"],
    ]
    assert [row.service.tags for row in found] == [(), ("Blue",)]


@pytest.mark.parametrize(
    ("tags", "meta", "nodes"),
    [(("blue",), {}, ["n"]), ((), {"rack": "1"}, ["m"]), (("blue",), {"rack": "1"}, [])],
)
def test_instances_are_chosen_by_tags_and_node_metadata(
    site: Replica, tags: tuple[str, ...], meta: dict[str, str], nodes: list[str]
) -> None:
    found, _ = site.read(health.service_nodes, "web", tags, meta)

    assert [row.node.node for row in found] == nodes


def test_index_of_a_services_health_is_the_services(site: Replica) -> None:
    index = site.store.last_index("service.web")

    _, read = site.read(health.service_nodes, "Web", (), {})

    assert read.index == index < site.index


def test_unknown_service_moves_with_checks_too(site: Replica) -> None:
    _, read = site.read(health.service_nodes, "none", (), {})

    assert read.index == site.index == site.store.last_index("checks")


def test_connect_finds_proxies_and_native_instances(site: Replica) -> None:
    sidecar = service(
        "side", kind="connect-proxy", proxy=ConnectProxy(destination_service_name="web")
    )
    site.register("o", service=sidecar)
    site.register("m", service=service("web", connect=ServiceConnect(native=True)))

    found, read = site.read(health.connect_nodes, "web", (), {})

    assert [(row.node.node, row.service.id) for row in found] == [("m", "web"), ("o", "side")]
    assert read.index == site.index


@pytest.mark.parametrize(
    ("statuses", "kept"), [((), True), (("passing",), True), (("passing", "warning"), False)]
)
def test_only_instances_all_of_whose_checks_pass_are_passing(
    statuses: tuple[str, ...], kept: bool
) -> None:
    row = CheckServiceNode(
        node=Node(node="n"),
        service=service("web"),
        checks=tuple(check(str(number), status) for number, status in enumerate(statuses)),
    )

    assert health.only_passing([row]) == ([row] if kept else [])
