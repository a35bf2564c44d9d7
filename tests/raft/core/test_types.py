from raft.core.types import SnapshotChunk
from raft.entries import SnapshotMeta, sole_configuration


def chunk(offset: int, content: bytes, size_bytes: int) -> SnapshotChunk:
    meta = SnapshotMeta(
        id="1-5-0",
        index=5,
        term=1,
        configuration=sole_configuration("a", ""),
        configuration_index=1,
        size_bytes=size_bytes,
    )
    return SnapshotChunk(1, meta, offset, content)


def test_the_last_chunk_is_the_one_that_reaches_the_size() -> None:
    assert not chunk(0, b"12", 4).is_last
    assert chunk(2, b"34", 4).is_last


def test_an_empty_state_is_one_empty_chunk() -> None:
    assert chunk(0, b"", 0).is_last
