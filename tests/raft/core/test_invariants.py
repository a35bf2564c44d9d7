from collections.abc import Callable

import pytest

from raft.core.invariants import check
from raft.core.progress import Progress
from raft.core.settings import Settings
from raft.core.state import State
from raft.core.types import Restart, Role
from raft.entries import Entry, HardState, Kind
from tests.raft.core.cluster import Dice


def sound() -> State:
    entries = [Entry(index, 1, Kind.COMMAND) for index in (1, 2, 3)]
    return State("a", Settings(), Dice("a"), 0.0, Restart(hard_state=HardState(1), entries=entries))


def leading() -> State:
    state = sound()
    state.role, state.leader_id = Role.LEADER, "a"
    return state


def test_a_sound_server_passes() -> None:
    check(sound(), {})
    check(leading(), {"b": Progress(4, 0.0)})


BREAKS: dict[str, Callable[[State], None]] = {
    "applied beyond the commit": lambda state: setattr(state, "applied_index", 1),
    "committed beyond the log": lambda state: setattr(state, "commit_index", 9),
    "storage ends elsewhere": lambda state: state.log.truncate(2),
    "an entry of a term to come": lambda state: setattr(state, "term", 0),
    "led by itself, and not leading": lambda state: setattr(state, "leader_id", "a"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_what_is_broken_is_noticed(broken: str) -> None:
    state = sound()
    BREAKS[broken](state)

    with pytest.raises(AssertionError):
        check(state, {})


@pytest.mark.parametrize(("match_index", "next_index"), [(4, 4), (0, 9), (3, 3)])
def test_impossible_progress_is_noticed(match_index: int, next_index: int) -> None:
    progress = Progress(next_index, 0.0)
    progress.match_index = match_index

    with pytest.raises(AssertionError):
        check(leading(), {"b": progress})


def test_a_follower_follows_nobody_s_progress() -> None:
    with pytest.raises(AssertionError):
        check(sound(), {"b": Progress(1, 0.0)})
