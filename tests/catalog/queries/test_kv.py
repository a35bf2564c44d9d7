import pytest

from catalog.commands import TombstonesReap
from catalog.queries import kv
from catalog.watch import Prefix, index_key
from tests.catalog.replica import Replica


def reap(replica: Replica) -> None:
    replica.do(TombstonesReap(index=replica.index))


def test_pair_has_its_own_index(replica: Replica) -> None:
    index = replica.put("a")
    replica.put("b")

    pair, read = replica.read(kv.get, "a")

    assert pair == replica.pair("a")
    assert read.index == index
    assert read.watched == [("kvs", "a")]


@pytest.mark.parametrize("verb", ["set", "delete"])
def test_absent_key_has_the_index_of_the_last_change_of_any_key(
    replica: Replica, verb: str
) -> None:
    replica.put("b")
    replica.kv(verb, "b", value=b"2")

    pair, read = replica.read(kv.get, "a")

    assert pair is None
    assert read.index == replica.index
    assert read.watched == [("kvs", "a")]


def test_prefix_has_the_greatest_index_under_it(replica: Replica) -> None:
    for key in ("a/2", "a/1"):
        replica.put(key)
    last = replica.index
    replica.put("b")

    pairs, read = replica.read(kv.list_prefix, "a/")

    assert [pair.key for pair in pairs] == ["a/1", "a/2"]
    assert read.index == last
    assert read.watched == [Prefix("kvs", "a/")]


def test_deletion_under_a_prefix_moves_its_index(replica: Replica) -> None:
    for key in ("a/1", "a/2"):
        replica.put(key)
    replica.kv("delete", "a/1")
    deleted = replica.index
    replica.put("b")

    pairs, read = replica.read(kv.list_prefix, "a/")

    assert [pair.key for pair in pairs] == ["a/2"]
    assert read.index == deleted


def test_deletion_of_a_tree_moves_the_index_of_every_prefix_in_it(replica: Replica) -> None:
    for key in ("a/b/1", "a/c/1"):
        replica.put(key)
    replica.kv("delete-tree", "a/")
    deleted = replica.index
    replica.put("x")

    for prefix in ("a/", "a/b/", "a/c/1"):
        pairs, read = replica.read(kv.list_prefix, prefix)
        assert (pairs, read.index) == ([], deleted)


def test_empty_prefix_has_the_index_of_the_whole_table(replica: Replica) -> None:
    replica.put("a")
    replica.kv("delete", "a")
    reap(replica)

    pairs, read = replica.read(kv.list_prefix, "")

    assert pairs == []
    assert read.index == 2
    assert read.watched == [index_key("kvs"), index_key("tombstones")]


def test_prefix_without_any_history_has_the_index_of_the_whole_table(replica: Replica) -> None:
    index = replica.put("b")

    pairs, read = replica.read(kv.list_prefix, "a/")

    assert (pairs, read.index) == ([], index)


@pytest.mark.parametrize(
    ("prefix", "separator", "keys"),
    [
        ("", "", ["a", "a/b/1", "a/b/2", "a/c", "d"]),
        ("", "/", ["a", "a/", "d"]),
        ("a/", "/", ["a/b/", "a/c"]),
        ("a/b", "/", ["a/b/"]),
        ("a/b/", "/", ["a/b/1", "a/b/2"]),
        ("a", "b/", ["a", "a/b/", "a/c"]),
        ("x", "/", []),
    ],
)
def test_keys_are_cut_after_the_first_separator_that_follows_the_prefix(
    replica: Replica, prefix: str, separator: str, keys: list[str]
) -> None:
    for key in ("a", "a/b/1", "a/b/2", "a/c", "d"):
        replica.put(key)

    found, read = replica.read(kv.list_keys, prefix, separator)

    assert found == keys
    assert read.index > 0
