from catalog.read import Read
from catalog.store import Store
from catalog.tables import KV
from catalog.watch import Prefix, index_key


def store_with(**indexes: int) -> Store:
    store = Store()
    for name, index in indexes.items():
        store.set_index(name, index)
    store.commit()
    return store


def test_read_is_as_new_as_the_newest_thing_it_depends_on() -> None:
    read = Read(store_with(nodes=3, services=5, kvs=9))

    greatest = read.depend("nodes", "services")

    assert greatest == 5
    assert read.index == 5
    assert [index_key("nodes"), index_key("services")] == read.watched


def test_index_of_a_read_never_goes_back() -> None:
    read = Read(store_with(nodes=3))
    read.at(8)

    read.at(2)
    read.depend("nodes")

    assert read.index == 8


def test_unknown_index_is_watched_and_counts_as_zero() -> None:
    read = Read(store_with())

    assert read.depend("service.web") == 0
    assert read.index == 0
    assert [index_key("service.web")] == read.watched


def test_rows_and_prefixes_are_watched_without_an_index() -> None:
    read = Read(store_with(kvs=4))

    read.watch_row(KV, "a")
    read.watch_prefix(KV, "b/")

    assert [("kvs", "a"), Prefix("kvs", "b/")] == read.watched
    assert read.index == 0


def test_an_index_that_others_move_leaves_the_read_unsettled() -> None:
    read = Read(store_with())

    read.at(3)
    assert read.is_settled

    read.at_least(7)
    assert (read.is_settled, read.index) == (False, 7)
