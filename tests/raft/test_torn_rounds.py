"""Random histories of a log whose last round may be torn, against a list.

A crash keeps any part of what the last round wrote, in pieces of ``SECTOR_BYTES``, and all that
came before. After it the log must be what some prefix of the round's records would have made.
"""

import tempfile
import threading
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from raft.entries import Entry, HardState, Kind, Mark
from raft.records import encode_entry, encode_hard_state, encode_mark, encode_truncate
from raft.segments import list_segments
from raft.wal import Wal
from tests.raft.machines import SERVER_ID, CountingFiles

SECTOR_BYTES = 16  # smaller than any disk's, so that records are torn in every way
SEGMENT_BYTES = 1024  # a few rounds, so that histories roll


class Append(msgspec.Struct, frozen=True):
    payload: bytes


class Cut(msgspec.Struct, frozen=True):
    count: int


class Jump(msgspec.Struct, frozen=True):
    distance: int


class Vote(msgspec.Struct, frozen=True):
    candidate: str


class Round(msgspec.Struct, frozen=True):
    steps: list[Append | Cut | Jump | Vote]
    lost_sectors: frozenset[int] | None  # None: no crash after this round


STEPS = st.one_of(
    st.builds(Append, st.binary(max_size=60)),
    st.builds(Append, st.binary(max_size=60)),
    st.builds(Cut, st.integers(0, 3)),
    st.builds(Jump, st.integers(1, 5)),
    st.builds(Vote, st.sampled_from(["a", "b"])),
)
ROUNDS = st.builds(
    Round,
    st.lists(STEPS, min_size=1, max_size=5),
    st.none() | st.frozensets(st.integers(0, 30), max_size=12),
)


class Model(msgspec.Struct, frozen=True):
    """The live entries, the index before them, and the vote."""

    base: int = 0
    entries: tuple[Entry, ...] = ()
    vote: str = ""

    def step(self, step: Append | Cut | Jump | Vote) -> tuple["Model", bytes]:
        """The model after a step, and the step's record."""
        last = self.base + len(self.entries)
        match step:
            case Append(payload):
                entry = Entry(last + 1, 1, Kind.COMMAND, payload)
                after = msgspec.structs.replace(self, entries=(*self.entries, entry))
                return after, encode_entry(entry)
            case Cut(count):
                keep = max(len(self.entries) - count, 0)
                after = msgspec.structs.replace(self, entries=self.entries[:keep])
                return after, encode_truncate(self.base + keep)
            case Jump(distance):
                after = Model(last + distance, (), self.vote)
                return after, encode_mark(Mark(last + distance, 1))
            case Vote(candidate):
                after = msgspec.structs.replace(self, vote=candidate)
                return after, encode_hard_state(HardState(1, candidate))


class WatchedFiles(CountingFiles):
    """Remembers where the last round went; the next segment is prepared in another thread."""

    last_range = (0, 0)

    def write_at(self, descriptor: int, content: bytes | memoryview, offset: int) -> None:
        if threading.current_thread() is threading.main_thread():
            self.last_range = (offset, offset + len(content))
        super().write_at(descriptor, content, offset)


def opened(directory: Path, files: WatchedFiles) -> Wal:
    wal = Wal(directory, SERVER_ID, files, segment_bytes=SEGMENT_BYTES)
    wal.recover()
    if wal.is_empty:
        wal.begin(bytes(16))
    return wal


def seen(wal: Wal) -> Model:
    entries = tuple(wal.entries(wal.first_index, wal.last_index))
    return Model(wal.first_index - 1, entries, wal.hard_state.vote)


def lose(directory: Path, written: tuple[int, int], sectors: frozenset[int]) -> None:
    """Put back zeros where the last write's sectors did not reach the disk."""
    path = list_segments(directory)[-1].path
    content = bytearray(path.read_bytes())
    for sector in sectors:
        start = written[0] + sector * SECTOR_BYTES
        end = min(start + SECTOR_BYTES, written[1])
        content[start:end] = bytes(max(end - start, 0))
    path.write_bytes(content)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROUNDS, min_size=1, max_size=12))
def test_only_the_torn_end_of_the_last_round_is_lost(rounds: list[Round]) -> None:
    files = WatchedFiles()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        wal = opened(directory, files)
        model = Model()
        for each in rounds:
            prefixes, bodies = [model], []
            for step in each.steps:
                model, body = model.step(step)
                prefixes.append(model)
                bodies.append(body)
            wal.write(bodies)
            assert seen(wal) == model
            if each.lost_sectors is not None:
                written = files.last_range
                wal.close()
                lose(directory, written, each.lost_sectors)
                wal = opened(directory, files)
                model = seen(wal)
                assert model in prefixes
        wal.close()
        again = opened(directory, files)
        assert seen(again) == model
        again.close()
