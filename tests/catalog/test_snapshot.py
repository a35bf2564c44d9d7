from collections.abc import Iterator

import msgspec
import pytest

from catalog import snapshot
from catalog.commands import ConfigEntryPut
from catalog.rows.check import CheckDefinition
from catalog.rows.config_entry import ServiceDefaults
from catalog.snapshot import BadSnapshot, read_snapshot, write_snapshot
from catalog.tables import KV
from tests.catalog.replica import Replica, check, contents, service
from tests.catalog.replica import snapshot as bytes_of


def record(tag: int, row: object) -> bytes:
    body = msgspec.msgpack.encode(row)
    return len(body).to_bytes(4, "big") + bytes((tag,)) + body


HEADER = record(0, {"version": snapshot.VERSION})


def fill(replica: Replica) -> None:
    definition = CheckDefinition(http="http://h", header={"a": ("b",)}, interval=5)
    replica.register("n", check("c", definition=definition), service=service("web", tags=("t",)))
    replica.begin("s", node_checks=("c",), ttl="10s")
    replica.kv("lock", "k/1", value=bytes(range(256)), session="s")
    replica.put("gone")
    replica.kv("delete", "gone")
    entry = ServiceDefaults(name="web", protocol="http")
    replica.do(ConfigEntryPut(entry=entry))


def test_restored_state_is_the_one_that_was_frozen(replica: Replica) -> None:
    fill(replica)
    other = Replica()
    other.put("replaced")

    other.machine.restore(replica.machine.freeze()())

    assert contents(replica.store) == contents(other.store)
    assert bytes_of(replica.machine) == bytes_of(other.machine)


def test_snapshot_of_an_empty_state_restores(replica: Replica) -> None:
    replica.machine.restore(replica.machine.freeze()())

    assert replica.store.indexes == {}


def test_frozen_state_is_encoded_as_of_its_freezing(replica: Replica) -> None:
    fill(replica)
    expected = bytes_of(replica.machine)
    frozen = replica.machine.freeze()

    replica.put("later")

    assert expected == b"".join(frozen())


def test_snapshot_is_written_in_chunks(replica: Replica) -> None:
    for number in range(4):
        replica.put(f"k{number}", bytes(snapshot.CHUNK_BYTES // 2))

    sizes = [len(chunk) for chunk in replica.machine.freeze()()]

    assert len(sizes) >= 2
    assert max(sizes) < 2 * snapshot.CHUNK_BYTES


@pytest.mark.parametrize("size", [1, 3, 7])
def test_records_may_be_cut_anywhere_between_chunks(replica: Replica, size: int) -> None:
    fill(replica)
    whole = bytes_of(replica.machine)
    other = Replica()

    other.machine.restore(whole[at : at + size] for at in range(0, len(whole), size))

    assert contents(replica.store) == contents(other.store)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"version \[\], expected 1"),
        (record(0, {"version": 99}), r"version \[99\], expected 1"),
        (HEADER + HEADER, r"version \[1, 1\]"),
        (HEADER + record(77, {}), "unknown record tag 77"),
        (HEADER + record(KV.tag, {"Key": 5}), "record of tag 4: .*Expected `str`"),
        (HEADER + record(255, {"Key": "kvs"}), "record of tag 255: .*`Index`"),
        (HEADER + record(KV.tag, {"Key": "k"})[:-1], "the last record is cut off"),
        (HEADER + b"\x00\x00", "the last record is cut off"),
        (HEADER + b"\xff\xff\xff\xff\x04", "record of 4294967295 bytes, at most 67108864"),
    ],
)
def test_damaged_snapshot_is_refused_and_changes_nothing(
    replica: Replica, content: bytes, reason: str
) -> None:
    fill(replica)
    before = contents(replica.store)

    with pytest.raises(BadSnapshot, match=reason):
        replica.machine.restore(iter([content]))

    assert before == contents(replica.store)
    assert replica.store.generation == 0


def test_writing_needs_no_state_machine() -> None:
    chunks: Iterator[bytes] = write_snapshot({"b": 2, "a": 1}, [(KV, [])])

    indexes, rows = read_snapshot(chunks)

    assert indexes == {"a": 1, "b": 2}
    assert rows == []
