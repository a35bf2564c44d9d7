"""Renames of nodes and fights over their names, all through catalog.writes.catalog."""

from typing import Any

import pytest

from catalog.errors import CatalogError, Conflict
from catalog.rows.check import SERF_HEALTH
from catalog.rows.node import Node
from catalog.store import Store
from catalog.tables import CHECKS, COORDINATES, NODES, SERVICES, SESSIONS
from tests.catalog.replica import Replica, check, contents, service

ID_1 = "11111111-1111-1111-1111-111111111111"
ID_2 = "22222222-2222-2222-2222-222222222222"


def refused(replica: Replica, name: str, *checks: Any, **fields: Any) -> CatalogError:
    """The refusal of a registration, which must have changed nothing."""
    before = contents(replica.store)
    with pytest.raises(CatalogError) as refusal:
        replica.register(name, *checks, **fields)
    assert before == contents(replica.store)
    return refusal.value


def node(store: Store, name: str) -> Node:
    found = store.get(NODES, name)
    assert found is not None
    return found


def moved(replica: Replica) -> set[str]:
    """The last-change indexes that the last command moved."""
    return {name for name, at in replica.store.indexes.items() if at == replica.index}


def test_same_id_with_a_new_name_renames_and_keeps_what_is_on_the_node(inhabited: Replica) -> None:
    """The trouble of hashicorp/consul#3974."""
    inhabited.register("new", id=ID_1)

    store = inhabited.store
    assert [row.node for row in store.all(NODES)] == ["new"]
    assert node(store, "new").create_index == 1
    assert inhabited.index == node(store, "new").modify_index
    assert [(row.node, row.service.id) for row in store.all(SERVICES)] == [("new", "web")]
    assert [(row.node, row.check_id) for row in store.all(CHECKS)] == [("new", "c"), ("new", "own")]
    assert [(row.node, row.id) for row in store.all(SESSIONS)] == [("new", "s")]
    assert [row.node for row in store.all(COORDINATES)] == ["new"]
    assert inhabited.pair("k").session == "s"
    for table, index in ((SERVICES, "node"), (CHECKS, "node"), (SESSIONS, "node")):
        assert not store.has(table, index, "old")


def test_rename_moves_every_index_that_it_shows_in(inhabited: Replica) -> None:
    inhabited.register("new", id=ID_1)

    assert moved(inhabited) == {
        "nodes",
        "services",
        "checks",
        "sessions",
        "coordinates",
        "service.web",
        "service_kind.typical",
    }


def test_session_of_a_renamed_node_still_ends_with_its_check(inhabited: Replica) -> None:
    inhabited.register("new", id=ID_1)

    inhabited.register("new", check("own", "critical"), id=ID_1)

    assert inhabited.sessions() == []


@pytest.mark.parametrize("status", ["passing", "warning"])
def test_name_of_a_living_node_cannot_be_taken(replica: Replica, status: str) -> None:
    """The trouble of hashicorp/consul#4741: a clear refusal names both ids and addresses."""
    replica.register("rn2", check(SERF_HEALTH, status), id=ID_1, address="10.9.0.1")

    refusal = refused(replica, "RN2", id=ID_2, address="10.9.0.2")

    assert isinstance(refusal, Conflict)
    assert (
        f'failed inserting node: Error while renaming Node ID: "{ID_2}" (10.9.0.2): '
        f"Node name RN2 is reserved by node {ID_1} with name rn2 (10.9.0.1)"
    ) == str(refusal)


@pytest.mark.parametrize("holder_id", [ID_2, ""])
def test_rename_to_the_name_of_a_living_node_is_refused(inhabited: Replica, holder_id: str) -> None:
    inhabited.register("new", check(SERF_HEALTH), id=holder_id)

    assert isinstance(refused(inhabited, "new", id=ID_1), Conflict)


def test_rename_onto_a_dead_node_replaces_it(inhabited: Replica) -> None:
    inhabited.register("new", check(SERF_HEALTH, "critical"), service=service("db"), id=ID_2)
    inhabited.begin("t", node="new")

    inhabited.register("new", id=ID_1)

    store = inhabited.store
    assert [row.id for row in store.all(NODES)] == [ID_1]
    assert [row.service.id for row in store.all(SERVICES)] == ["web"]
    assert inhabited.sessions() == ["s"]
    assert store.get(CHECKS, ("new", SERF_HEALTH)) is None


@pytest.mark.parametrize("checks", [(), (check(SERF_HEALTH, "critical"),)])
def test_dead_or_external_nodes_name_may_be_taken_by_a_new_id(
    replica: Replica, checks: tuple[Any, ...]
) -> None:
    replica.register("n", *checks, id=ID_1)

    replica.register("n", id=ID_2)

    assert [row.id for row in replica.store.all(NODES)] == [ID_2]
    assert not replica.store.has(NODES, "id", ID_1)
