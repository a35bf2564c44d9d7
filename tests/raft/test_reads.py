import asyncio

import pytest

from raft.core.types import ReadFailed, ReadReady, Refusal
from raft.errors import NoLeader, RaftError, Stopped
from raft.reads import Reads, into_future


def test_each_read_is_told_once() -> None:
    reads = Reads()
    told: list[tuple[str, int, RaftError | None]] = []
    first = reads.begin(lambda index, error: told.append(("first", index, error)))
    second = reads.begin(lambda index, error: told.append(("second", index, error)))
    reads.begin(lambda index, error: told.append(("third", index, error)))
    refused, stopped = NoLeader(), Stopped("stopped")

    reads.ready(ReadReady(first, 7))
    reads.failed(ReadFailed(second, Refusal.NO_LEADER), refused)
    assert reads.are_waiting
    reads.fail(stopped)

    assert told == [("first", 7, None), ("second", 0, refused), ("third", 0, stopped)]
    assert not reads.are_waiting


async def test_a_future_gets_the_index_or_the_error() -> None:
    loop = asyncio.get_running_loop()
    served, refused, gone = (loop.create_future() for _ in range(3))
    gone.cancel()

    into_future(served)(7, None)
    into_future(refused)(0, NoLeader())
    into_future(gone)(7, None)

    assert await served == 7
    with pytest.raises(NoLeader):
        await refused
