import pytest

from catalog.commands import KvVerb, TombstonesReap
from catalog.errors import Invalid
from catalog.tables import TOMBSTONES
from tests.catalog.replica import Replica, contents


@pytest.fixture
def locked(replica: Replica) -> Replica:
    """A replica where session s1 holds key l (lock index 1), and session s2 holds nothing."""
    replica.register("n")
    replica.begin("s1")
    replica.begin("s2")
    assert replica.kv(KvVerb.LOCK, "l", value=b"a", session="s1")
    return replica


def indexes(replica: Replica) -> tuple[int, int]:
    return replica.store.last_index("kvs"), replica.store.last_index("tombstones")


# set


def test_set_creates_with_both_indexes_at_the_command(replica: Replica) -> None:
    index = replica.put("k")

    pair = replica.pair("k")
    assert pair is not None
    assert (index, index, 0, "") == (
        pair.create_index,
        pair.modify_index,
        pair.lock_index,
        pair.session,
    )
    assert (index, 0) == indexes(replica)


def test_set_keeps_the_create_index_and_replaces_flags(replica: Replica) -> None:
    replica.kv(KvVerb.SET, "k", value=b"v", flags=5)

    index = replica.put("k", b"w")

    pair = replica.pair("k")
    assert pair is not None
    assert (1, index, 0, b"w") == (
        pair.create_index,
        pair.modify_index,
        pair.flags,
        pair.value,
    )


def test_equal_set_changes_nothing(replica: Replica) -> None:
    """The trouble of hashicorp/consul#5885: an equal write must not wake watchers."""
    replica.put("k")
    before = contents(replica.store)

    assert replica.kv(KvVerb.SET, "k", value=b"v")

    assert before == contents(replica.store)


def test_other_flags_are_a_change(replica: Replica) -> None:
    replica.put("k")

    replica.kv(KvVerb.SET, "k", value=b"v", flags=7)

    assert indexes(replica) == (replica.index, 0)


def test_plain_set_keeps_the_lock_and_its_count(locked: Replica) -> None:
    """The trouble of hashicorp/consul#3847: fencing tokens are built on the lock index."""
    locked.put("l", b"b")

    pair = locked.pair("l")
    assert pair is not None
    assert (pair.session, pair.lock_index, pair.value) == ("s1", 1, b"b")


# cas


def test_cas_zero_creates_only_when_absent(replica: Replica) -> None:
    assert replica.kv(KvVerb.CAS, "k", value=b"a", index=0)
    assert not replica.kv(KvVerb.CAS, "k", value=b"b", index=0)

    assert replica.pair("k").value == b"a"


def test_cas_writes_only_at_the_current_index(replica: Replica) -> None:
    index = replica.put("k", b"a")

    assert not replica.kv(KvVerb.CAS, "k", value=b"b", index=index + 1)
    assert replica.kv(KvVerb.CAS, "k", value=b"c", index=index)

    assert replica.pair("k").value == b"c"


def test_cas_of_an_absent_key_fails_at_any_other_index(replica: Replica) -> None:
    assert not replica.kv(KvVerb.CAS, "k", index=3)

    assert replica.pair("k") is None


# lock and unlock


def test_lock_of_a_new_key_counts_one(locked: Replica) -> None:
    pair = locked.pair("l")

    assert pair is not None
    assert (pair.session, pair.lock_index, pair.value) == ("s1", 1, b"a")


def test_lock_again_by_the_holder_writes_without_counting(locked: Replica) -> None:
    assert locked.kv(KvVerb.LOCK, "l", value=b"a", session="s1")

    pair = locked.pair("l")
    assert pair is not None
    assert (1, locked.index) == (pair.lock_index, pair.modify_index)


def test_lock_held_by_another_is_not_taken(locked: Replica) -> None:
    before = contents(locked.store)

    assert not locked.kv(KvVerb.LOCK, "l", value=b"b", session="s2")

    assert before == contents(locked.store)


def test_lock_taken_after_a_release_counts_on(locked: Replica) -> None:
    assert locked.kv(KvVerb.UNLOCK, "l", value=b"x", session="s1")
    assert locked.kv(KvVerb.LOCK, "l", value=b"y", session="s2")

    pair = locked.pair("l")
    assert pair is not None
    assert (pair.session, pair.lock_index, pair.value) == ("s2", 2, b"y")


def test_unlock_writes_the_value_and_keeps_the_count(locked: Replica) -> None:
    assert locked.kv(KvVerb.UNLOCK, "l", value=b"x", flags=3, session="s1")

    pair = locked.pair("l")
    assert pair is not None
    assert (pair.session, pair.lock_index, pair.value, pair.flags) == ("", 1, b"x", 3)


@pytest.mark.parametrize(("key", "session"), [("l", "s2"), ("l", ""), ("free", "s1")])
def test_unlock_by_anyone_but_the_holder_changes_nothing(
    locked: Replica, key: str, session: str
) -> None:
    before = contents(locked.store)

    assert not locked.kv(KvVerb.UNLOCK, key, session=session)

    assert before == contents(locked.store)


@pytest.mark.parametrize(
    ("session", "reason"), [("", "missing session"), ("gone", 'invalid session "gone"')]
)
def test_lock_needs_a_living_session(locked: Replica, session: str, reason: str) -> None:
    refusal = locked.kv(KvVerb.LOCK, "k", session=session)

    assert isinstance(refusal, Invalid)
    assert reason == str(refusal)


# delete


def test_delete_leaves_a_tombstone(replica: Replica) -> None:
    replica.put("k")

    assert replica.kv(KvVerb.DELETE, "k")

    assert replica.pair("k") is None
    assert [("k", replica.index)] == [(t.key, t.index) for t in replica.store.all(TOMBSTONES)]
    assert (replica.index, replica.index) == indexes(replica)


def test_delete_of_an_absent_key_changes_nothing(replica: Replica) -> None:
    replica.put("k")
    before = contents(replica.store)

    assert replica.kv(KvVerb.DELETE, "none")
    assert replica.kv(KvVerb.DELETE_TREE, "none/")

    assert before == contents(replica.store)


def test_delete_ignores_locks(locked: Replica) -> None:
    assert locked.kv(KvVerb.DELETE, "l")

    assert locked.pair("l") is None


@pytest.mark.parametrize(
    ("key", "index", "result"),
    [("k", 1, True), ("k", 2, False), ("k", 0, False), ("none", 5, True)],
)
def test_delete_cas_needs_the_current_index_unless_the_key_is_gone(
    replica: Replica, key: str, index: int, result: bool
) -> None:
    replica.put("k")

    assert result == replica.kv(KvVerb.DELETE_CAS, key, index=index)

    assert (replica.pair("k") is None) == (result and key == "k")


@pytest.mark.parametrize(
    ("prefix", "left"),
    [("a/", ["a", "b"]), ("a", ["b"]), ("", []), ("c", ["a", "a/1", "a/2", "b"])],
)
def test_delete_tree_removes_what_starts_with_the_prefix(
    replica: Replica, prefix: str, left: list[str]
) -> None:
    keys = ["a", "a/1", "a/2", "b"]
    for key in keys:
        replica.put(key)

    assert replica.kv(KvVerb.DELETE_TREE, prefix)

    assert left == [key for key in keys if replica.pair(key) is not None]
    assert len(keys) - len(left) == replica.store.count(TOMBSTONES)


def test_reaping_forgets_only_old_deletions(replica: Replica) -> None:
    for key in ("old", "new"):
        replica.put(key)
    replica.kv(KvVerb.DELETE, "old")
    at = replica.index
    replica.kv(KvVerb.DELETE, "new")
    moved = indexes(replica)

    replica.do(TombstonesReap(index=at))

    assert [tombstone.key for tombstone in replica.store.all(TOMBSTONES)] == ["new"]
    assert moved == indexes(replica)


@pytest.mark.parametrize("verb", ["get", "explode"])
def test_verb_that_is_no_write_is_refused(replica: Replica, verb: str) -> None:
    refusal = replica.kv(verb, "k")

    assert isinstance(refusal, Invalid)
    assert f'Invalid KVS operation "{verb}"' == str(refusal)
