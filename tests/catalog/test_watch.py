import pytest

from catalog.watch import Prefix, Watches, index_key


class Waiter:
    """A wake-up that counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture
def watches() -> Watches:
    return Watches()


@pytest.fixture
def waiter() -> Waiter:
    return Waiter()


def test_change_of_a_watched_row_wakes_once_and_forgets(watches: Watches, waiter: Waiter) -> None:
    watches.add([("kvs", "a")], waiter)

    watches.notify([("kvs", "a")])
    watches.notify([("kvs", "a")])

    assert waiter.calls == 1
    assert len(watches) == 0


@pytest.mark.parametrize("touched", [("kvs", "b"), ("nodes", "a"), ("kvs", "ab"), index_key("a")])
def test_change_of_something_else_does_not_wake(
    watches: Watches, waiter: Waiter, touched: tuple[str, str]
) -> None:
    watches.add([("kvs", "a")], waiter)

    watches.notify([touched])

    assert waiter.calls == 0


def test_waiter_of_many_keys_is_woken_once_for_one_command(
    watches: Watches, waiter: Waiter
) -> None:
    keys = [("kvs", "a"), index_key("kvs"), Prefix("kvs", "")]
    watches.add(keys, waiter)

    watches.notify([("kvs", "a"), index_key("kvs")])

    assert waiter.calls == 1


def test_all_who_wait_for_a_key_are_woken(watches: Watches) -> None:
    waiters = [Waiter() for _ in range(3)]
    for waiter in waiters:
        watches.add([index_key("nodes")], waiter)

    watches.notify([index_key("nodes")])

    assert [waiter.calls for waiter in waiters] == [1, 1, 1]


@pytest.mark.parametrize(("key", "wakes"), [("a/b", 1), ("a/", 1), ("a", 0), ("b/a/", 0)])
def test_prefix_watcher_wakes_for_keys_under_it(
    watches: Watches, waiter: Waiter, key: str, wakes: int
) -> None:
    watches.add([Prefix("kvs", "a/")], waiter)

    watches.notify([("kvs", key)])

    assert wakes == waiter.calls


def test_prefix_watcher_is_deaf_to_other_tables_and_keys_that_are_no_text(
    watches: Watches, waiter: Waiter
) -> None:
    watches.add([Prefix("kvs", "a")], waiter)

    watches.notify([("nodes", "a"), ("kvs", ("a", "b"))])

    assert waiter.calls == 0


def test_prefixes_of_one_length_are_told_apart(watches: Watches) -> None:
    first, second = Waiter(), Waiter()
    watches.add([Prefix("kvs", "aa")], first)
    watches.add([Prefix("kvs", "ab")], second)

    watches.notify([("kvs", "aax")])
    watches.notify([("kvs", "abx")])

    assert (first.calls, second.calls) == (1, 1)


def test_prefix_and_the_row_of_the_same_text_are_watched_apart(watches: Watches) -> None:
    of_row, of_prefix = Waiter(), Waiter()
    watches.add([("kvs", "a/")], of_row)
    watches.add([Prefix("kvs", "a/")], of_prefix)

    watches.notify([("kvs", "a/b")])

    assert (of_row.calls, of_prefix.calls) == (0, 1)
    watches.remove([("kvs", "a/")], of_row)
    watches.remove([Prefix("kvs", "a/")], of_prefix)
    assert len(watches) == 0


def test_removed_waiter_is_not_woken_and_leaves_nothing_behind(
    watches: Watches, waiter: Waiter
) -> None:
    keys = [("kvs", "a"), Prefix("kvs", "a"), Prefix("kvs", "b"), index_key("kvs")]
    watches.add(keys, waiter)

    watches.remove(keys, waiter)
    watches.notify(keys)

    assert waiter.calls == 0
    assert len(watches) == 0


def test_removal_keeps_the_others_who_wait_for_the_same_key(watches: Watches) -> None:
    leaving, staying = Waiter(), Waiter()
    key = Prefix("kvs", "a")
    watches.add([key], leaving)
    watches.add([key], staying)

    watches.remove([key], leaving)
    watches.notify([("kvs", "abc")])

    assert (leaving.calls, staying.calls) == (0, 1)


def test_removal_after_the_wake_up_is_no_error(watches: Watches, waiter: Waiter) -> None:
    keys = [("kvs", "a"), Prefix("kvs", "x")]
    watches.add(keys, waiter)
    watches.notify([("kvs", "a")])

    watches.remove(keys, waiter)
    watches.remove(keys, waiter)

    assert len(watches) == 0


def test_key_given_twice_counts_once(watches: Watches, waiter: Waiter) -> None:
    keys = [Prefix("kvs", "a"), Prefix("kvs", "a")]

    watches.add(keys, waiter)
    watches.remove(keys, waiter)

    assert len(watches) == 0
    watches.notify([("kvs", "ab")])
    assert waiter.calls == 0


def test_replaced_state_wakes_everyone_once(watches: Watches) -> None:
    first, second = Waiter(), Waiter()
    watches.add([("kvs", "a"), Prefix("kvs", "a")], first)
    watches.add([index_key("nodes")], second)

    watches.notify_all()

    assert (first.calls, second.calls) == (1, 1)
    assert len(watches) == 0


def test_waiter_may_wait_again_from_its_wake_up(watches: Watches) -> None:
    calls = []

    def again() -> None:
        calls.append(1)
        watches.add([("kvs", "a")], again)

    watches.add([("kvs", "a")], again)
    watches.notify([("kvs", "a")])
    watches.notify([("kvs", "a")])

    assert len(calls) == 2
