from typing import Any

import pytest

from catalog.commands import Deregister
from catalog.queries import catalog
from catalog.rows.service import ConnectProxy, NodeService, ServiceConnect, Weights
from catalog.watch import index_key
from tests.catalog.replica import Replica, check, service

ID_A = "aaaa1111-0000-0000-0000-000000000000"
ID_B = "aabb1111-0000-0000-0000-000000000000"


def proxy(name: str, destination: str) -> NodeService:
    return service(
        name, kind="connect-proxy", proxy=ConnectProxy(destination_service_name=destination)
    )


def native(name: str) -> NodeService:
    return service(name, connect=ServiceConnect(native=True))


def ids(instances: list[Any]) -> list[tuple[str, str]]:
    return [(row.node, row.service.id) for row in instances]


# Nodes.


def test_nodes_are_listed_by_name_with_the_index_of_their_table(replica: Replica) -> None:
    replica.register("b", meta={"rack": "1", "row": "2"})
    index = replica.register("A", meta={"rack": "1"})
    replica.register("A", service=service("web"), meta={"rack": "1"})

    found, read = replica.read(catalog.nodes, {})

    assert [row.node for row in found] == ["A", "b"]
    assert read.index == index
    assert read.watched == [index_key("nodes")]


@pytest.mark.parametrize(
    ("meta", "names"),
    [
        ({"rack": "1"}, ["a", "b"]),
        ({"rack": "1", "row": "2"}, ["b"]),
        ({"rack": "2"}, []),
        ({"none": ""}, []),
    ],
)
def test_nodes_are_chosen_by_all_wanted_metadata(
    replica: Replica, meta: dict[str, str], names: list[str]
) -> None:
    replica.register("a", meta={"rack": "1"})
    replica.register("b", meta={"rack": "1", "row": "2"})
    replica.register("c")

    found, _ = replica.read(catalog.nodes, meta)

    assert [row.node for row in found] == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("N1", "n1"),
        ("aaaa", "n1"),
        ("AAAA1111", "n1"),
        ("aab", "n2"),
        ("aa", None),
        ("a", None),
        ("ffff", None),
        ("nobody", None),
    ],
)
def test_node_is_found_by_its_name_or_an_unshared_prefix_of_its_id(
    replica: Replica, text: str, name: str | None
) -> None:
    replica.register("n1", id=ID_A)
    replica.register("n2", id=ID_B)

    found = catalog.find_node(replica.store, text)

    assert (None if found is None else found.node) == name


def test_name_is_preferred_to_a_prefix_of_an_id(replica: Replica) -> None:
    replica.register("n1", id=ID_A)
    replica.register("aaaa")

    found = catalog.find_node(replica.store, "aaaa")

    assert found is not None
    assert found.node == "aaaa"


def test_node_has_its_instances_with_tags_never_null(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.register("m", service=service("db"))

    found, read = replica.read(catalog.node_services, "N")

    assert found is not None
    node, instances = found
    assert node.node == "n"
    assert [(row.service.id, row.service.tags) for row in instances] == [("web", ())]
    assert read.index == replica.index
    assert read.watched == [index_key("nodes"), index_key("services")]


def test_unknown_node_has_no_services_but_an_index(replica: Replica) -> None:
    replica.register("n")

    found, read = replica.read(catalog.node_services, "nobody")

    assert found is None
    assert read.index == replica.index


# The list of services.


def test_services_have_the_distinct_tags_of_their_instances(replica: Replica) -> None:
    replica.register("n", service=service("web", "1", tags=("a", "b")))
    replica.register("n", service=service("web", "2", tags=("b", "c")))
    index = replica.register("n", service=service("db"))
    replica.register("other")

    found, read = replica.read(catalog.services, {})

    assert found == {"db": (), "web": ("a", "b", "c")}
    assert read.index == index


def test_services_on_nodes_with_metadata_move_with_the_nodes_too(replica: Replica) -> None:
    replica.register("n", service=service("web"), meta={"rack": "1"})
    replica.register("m", service=service("db"))
    index = replica.register("other")

    found, read = replica.read(catalog.services, {"rack": "1"})

    assert found == {"web": ()}
    assert read.index == index
    assert read.watched == [index_key("services"), index_key("nodes")]


# One service.


@pytest.mark.parametrize(
    ("wanted", "has"), [((), True), (("A",), True), (("a", "B"), True), (("a", "c"), False)]
)
def test_all_tags_must_be_there_in_any_case(wanted: tuple[str, ...], has: bool) -> None:
    assert catalog.has_tags(("a", "b"), wanted) is has


def test_instance_without_tags_has_none() -> None:
    assert not catalog.has_tags(None, ("a",))


def test_instances_are_found_in_any_case_ordered_by_node_and_id(replica: Replica) -> None:
    replica.register("b", service=service("web", "1"))
    replica.register("a", service=service("Web", "2"))
    replica.register("a", service=service("WEB", "1"))

    found, _ = replica.read(catalog.instances, "wEb")

    assert ids(found) == [("a", "1"), ("a", "2"), ("b", "1")]


def test_index_of_a_service_moves_with_that_service_only(replica: Replica) -> None:
    """The trouble of hashicorp/consul#3890."""
    index = replica.register("n", service=service("web"))
    replica.register("n", service=service("web2"))
    replica.register("m", check("c"), service=service("db"))
    replica.do(Deregister(node="m"))

    _, read = replica.read(catalog.instances, "web")

    assert read.index == index
    assert read.watched == [index_key("service.web")]


@pytest.mark.parametrize(
    "change",
    [
        lambda replica: replica.register("n", service=service("web", port=1)),
        lambda replica: replica.register("n", check("c", service_id="web")),
        lambda replica: replica.register("n", check("own", "critical")),
        lambda replica: replica.register("n", address="10.0.0.9"),
        lambda replica: replica.do(Deregister(node="n", check_id="own")),
        lambda replica: replica.do(Deregister(node="n", service_id="web")),
        lambda replica: replica.do(Deregister(node="n")),
    ],
)
def test_every_change_that_shows_moves_the_index_of_the_service(
    replica: Replica, change: Any
) -> None:
    replica.register("n", check("own"), service=service("web"))
    _, before = replica.read(catalog.instances, "web")

    change(replica)

    _, after = replica.read(catalog.instances, "web")
    assert before.index < after.index == replica.index


def test_unknown_service_has_the_index_of_the_catalog_while_none_was_ever_lost(
    replica: Replica,
) -> None:
    replica.register("n", service=service("web"))
    index = replica.register("m")

    found, read = replica.read(catalog.instances, "none")

    assert (found, read.index) == ([], index)


def test_unknown_service_has_the_index_of_the_last_extinction(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.do(Deregister(node="n", service_id="web"))
    lost = replica.index
    replica.register("n", service=service("db"))

    for name in ("web", "none"):
        _, read = replica.read(catalog.instances, name)
        assert read.index == lost
        assert read.watched == [index_key(f"service.{name}"), index_key("service_last_extinction")]


def test_joined_instance_has_the_fields_of_both(replica: Replica) -> None:
    weights = Weights(passing=3, warning=2)
    web = service("web", tags=("t",), port=80, address="10.1.1.1", weights=weights)
    index = replica.register("n", service=web, id=ID_A, meta={"a": "b"})
    found, read = replica.read(catalog.instances, "web")

    (row,) = catalog.service_nodes(read, found, (), {})

    assert (row.id, row.node, row.address, row.node_meta) == (ID_A, "n", "10.0.0.1", {"a": "b"})
    assert (row.service_id, row.service_name, row.service_port) == ("web", "web", 80)
    assert (row.service_tags, row.service_address) == (("t",), "10.1.1.1")
    assert (row.service_weights, row.service_meta) == (weights, {})
    assert (row.create_index, row.modify_index) == (index, index)


@pytest.mark.parametrize(
    ("tags", "meta", "nodes"),
    [
        ((), {}, ["m", "n"]),
        (("A",), {}, ["n"]),
        ((), {"rack": "1"}, ["m"]),
        (("a",), {"rack": "1"}, []),
    ],
)
def test_joined_instances_are_chosen_by_tags_and_node_metadata(
    replica: Replica, tags: tuple[str, ...], meta: dict[str, str], nodes: list[str]
) -> None:
    replica.register("n", service=service("web", tags=("a", "b")))
    replica.register("m", service=service("web"), meta={"rack": "1"})
    found, read = replica.read(catalog.instances, "web")

    rows = catalog.service_nodes(read, found, tags, meta)

    assert [row.node for row in rows] == nodes


# What serves a service with mutual TLS.


def test_proxies_and_native_instances_serve_a_service(replica: Replica) -> None:
    replica.register("n", service=service("web"))
    replica.register("n", service=proxy("web-proxy", "Web"))
    replica.register("n", service=proxy("other-proxy", "other"))
    replica.register("m", service=native("web"))

    found, read = replica.read(catalog.connect_instances, "WEB")

    assert ids(found) == [("m", "web"), ("n", "web-proxy")]
    assert read.index == replica.index


def test_many_proxies_of_one_name_are_one_thing_to_watch(replica: Replica) -> None:
    for number in range(5):
        replica.register(f"n{number}", service=proxy("web-proxy", "web"))

    _, read = replica.read(catalog.connect_instances, "web")

    assert len(read.watched) == len(set(read.watched))


def test_unserved_service_has_the_index_of_the_catalog(replica: Replica) -> None:
    index = replica.register("n", service=service("web"))

    found, read = replica.read(catalog.connect_instances, "none")

    assert (found, read.index) == ([], index)


@pytest.mark.parametrize(
    "change",
    [
        lambda replica: replica.do(Deregister(node="m", service_id="web")),
        lambda replica: replica.do(Deregister(node="n", service_id="web-proxy")),
        lambda replica: replica.register("n", service=service("web-proxy")),
        lambda replica: replica.register("n", service=proxy("web-proxy", "other")),
        lambda replica: replica.register("m", service=service("web")),
        lambda replica: replica.register("n", check("own", "critical")),
    ],
)
def test_index_moves_with_everything_that_changes_what_serves(
    replica: Replica, change: Any
) -> None:
    replica.register("n", service=proxy("web-proxy", "web"))
    replica.register("m", service=native("web"))
    found, before = replica.read(catalog.connect_instances, "web")
    assert len(found) == 2

    change(replica)

    _, after = replica.read(catalog.connect_instances, "web")
    assert before.index < after.index == replica.index


def test_connect_reader_does_not_hear_of_other_services_proxies(replica: Replica) -> None:
    replica.register("n", service=proxy("web-proxy", "web"))
    woken: list[int] = []
    _, before = replica.read(catalog.connect_instances, "web")
    replica.store.watches.add(before.watched, lambda: woken.append(1))

    replica.register("n2", service=proxy("db-proxy", "db"))

    _, after = replica.read(catalog.connect_instances, "web")
    assert ([], before.index) == (woken, after.index)
