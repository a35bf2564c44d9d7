from collections.abc import Callable

import pytest

from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.session import Session
from catalog.store import Store
from catalog.tables import KV, NODES, SESSIONS
from catalog.watch import index_key
from tests.catalog.replica import contents


def node(name: str, address: str = "10.0.0.1", node_id: str = "") -> Node:
    return Node(node=name, address=address, id=node_id)


@pytest.fixture
def store() -> Store:
    """Three nodes, two at one address."""
    store = Store()
    for row in (node("c"), node("A"), node("b", "10.0.0.2", "id-b")):
        store.put(NODES, row)
    store.set_index("nodes", 7)
    store.commit()
    return store


def test_row_is_found_by_its_key(store: Store) -> None:
    assert node("A") == store.get(NODES, "a")
    assert store.get(NODES, "A") is None


def test_index_finds_rows_in_the_order_of_their_keys(store: Store) -> None:
    assert [row.node for row in store.find(NODES, "address", "10.0.0.1")] == ["A", "c"]
    assert [row.node for row in store.find(NODES, "id", "id-b")] == ["b"]
    assert store.find(NODES, "id", "nobody") == []


def test_index_knows_whether_and_which_values_it_has(store: Store) -> None:
    assert store.has(NODES, "id", "id-b")
    assert not store.has(NODES, "id", "")
    assert store.values(NODES, "address") == ["10.0.0.1", "10.0.0.2"]


def test_all_rows_come_in_the_order_of_their_keys(store: Store) -> None:
    store.put(SESSIONS, Session(id="2"))
    store.put(SESSIONS, Session(id="1"))

    assert [row.node for row in store.all(NODES)] == ["A", "b", "c"]
    assert [row.id for row in store.all(SESSIONS)] == ["1", "2"]
    assert store.count(NODES) == 3


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", ["a", "a/1", "a/2", "a0", "b"]),
        ("a", ["a", "a/1", "a/2", "a0"]),
        ("a/", ["a/1", "a/2"]),
        ("a/3", []),
        ("c", []),
    ],
)
def test_prefix_finds_the_keys_that_start_with_it(prefix: str, keys: list[str]) -> None:
    store = Store()
    for key in ("b", "a/2", "a0", "a", "a/1"):
        store.put(KV, KeyValue(key=key))

    assert keys == [pair.key for pair in store.prefix(KV, prefix)]


def test_replaced_row_is_no_longer_found_by_its_old_values(store: Store) -> None:
    store.put(NODES, node("b", "10.0.0.9", "id-new"))
    store.commit()

    assert store.find(NODES, "id", "id-b") == []
    assert store.find(NODES, "address", "10.0.0.2") == []
    assert [row.node for row in store.find(NODES, "id", "id-new")] == ["b"]
    assert store.count(NODES) == 3


def test_deleted_row_is_gone_from_every_index_and_order(store: Store) -> None:
    removed = store.delete(NODES, "b")
    store.commit()

    assert removed is not None
    assert removed.node == "b"
    assert not store.has(NODES, "id", "id-b")
    assert [row.node for row in store.prefix(NODES, "")] == ["A", "c"]


def test_delete_of_nothing_gives_none_and_is_no_change(store: Store) -> None:
    changes = store.changes

    assert store.delete(NODES, "nobody") is None
    store.commit()

    assert changes == store.changes


def test_last_index_is_the_greatest_of_the_named(store: Store) -> None:
    store.set_index("services", 9)

    assert store.last_index("nodes", "services", "unknown") == 9
    assert store.last_index("unknown") == 0
    assert store.last_index() == 0


CHANGES: dict[str, Callable[[Store], object]] = {
    "a new row": lambda store: store.put(NODES, node("d")),
    "a replaced row": lambda store: store.put(NODES, node("b", "10.9.9.9", "id-x")),
    "a deleted row": lambda store: store.delete(NODES, "b"),
    "a new index": lambda store: store.set_index("services", 8),
    "a moved index": lambda store: store.set_index("nodes", 8),
    "a dropped index": lambda store: store.drop_index("nodes"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_rollback_undoes(store: Store, change: Callable[[Store], object]) -> None:
    before = contents(store)

    change(store)
    store.rollback()

    assert before == contents(store)
    assert [row.node for row in store.find(NODES, "id", "id-b")] == ["b"]
    assert [row.node for row in store.prefix(NODES, "")] == ["A", "b", "c"]


def test_rollback_undoes_many_changes_of_one_row_last_first(store: Store) -> None:
    before = contents(store)

    store.delete(NODES, "b")
    store.put(NODES, node("b", "10.9.9.9", "id-x"))
    store.put(NODES, node("b", "10.9.9.8"))
    store.delete(NODES, "b")
    store.set_index("nodes", 8)
    store.drop_index("nodes")
    store.rollback()

    assert before == contents(store)


def test_drop_of_an_unknown_index_is_no_change(store: Store) -> None:
    changes = store.changes

    store.drop_index("unknown")
    store.commit()

    assert changes == store.changes


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_watchers_hear_of_a_change_at_the_commit(
    store: Store, change: Callable[[Store], object]
) -> None:
    woken: list[int] = []
    keys = [("nodes", "b"), ("nodes", "d"), index_key("nodes"), index_key("services")]
    store.watches.add(keys, lambda: woken.append(1))

    change(store)
    assert woken == []
    store.commit()

    assert woken == [1]


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_watchers_never_hear_of_what_was_undone(
    store: Store, change: Callable[[Store], object]
) -> None:
    woken: list[int] = []
    keys = [("nodes", "b"), ("nodes", "d"), index_key("nodes"), index_key("services")]
    store.watches.add(keys, lambda: woken.append(1))

    change(store)
    store.rollback()
    store.commit()

    assert woken == []


def test_frozen_state_does_not_follow_later_changes(store: Store) -> None:
    indexes, tables = store.freeze()

    store.delete(NODES, "b")
    store.set_index("nodes", 8)
    store.commit()

    assert indexes == {"nodes": 7}
    assert len(next(rows for table, rows in tables if table is NODES)) == 3


def test_load_replaces_everything_and_wakes_everyone(store: Store) -> None:
    woken: list[int] = []
    store.watches.add([index_key("anything")], lambda: woken.append(1))

    store.load({"kvs": 3}, [(KV, KeyValue(key="k"))])

    assert store.count(NODES) == 0
    assert next(store.prefix(KV, "")).key == "k"
    assert store.indexes == {"kvs": 3}
    assert store.generation == 1
    assert woken == [1]
    assert len(store.watches) == 0


def test_load_remembers_the_last_index_of_every_history_before_it(store: Store) -> None:
    store.load({"nodes": 3}, [])
    assert store.abandoned_index == 7

    store.load({"nodes": 2}, [])
    assert store.abandoned_index == 7


def test_new_store_has_abandoned_nothing() -> None:
    store = Store()

    store.load({"nodes": 3}, [])

    assert store.abandoned_index == 0
