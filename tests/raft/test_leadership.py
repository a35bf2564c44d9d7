import asyncio

import pytest

from raft.core.types import Role, RoleChange, TransferEnded
from raft.errors import Stopped, TransferFailed
from raft.leadership import Leadership, LeadershipChange


def test_only_beginnings_and_ends_are_told_in_order() -> None:
    leadership = Leadership()
    told: list[LeadershipChange] = []
    leadership.subscribe(told.append)

    for change in (
        RoleChange(Role.FOLLOWER, 1, "", 0),
        RoleChange(Role.CANDIDATE, 2, "", 0),
        RoleChange(Role.LEADER, 2, "a", 1),
        RoleChange(Role.FOLLOWER, 3, "b", 2),
        RoleChange(Role.FOLLOWER, 3, "c", 2),
    ):
        leadership.note(change)

    assert told == [LeadershipChange(True, 1, 2), LeadershipChange(False, 2, 3)]
    assert (leadership.is_leader, leadership.epoch) == (False, 2)


def test_a_listener_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    leadership = Leadership()
    told: list[LeadershipChange] = []

    def fail(_change: LeadershipChange) -> None:
        message = "listener bug"
        raise RuntimeError(message)

    leadership.subscribe(fail)
    leadership.subscribe(told.append)
    leadership.note(RoleChange(Role.LEADER, 2, "a", 1))

    assert len(told) == 1
    assert "a listener to leadership failed" in caplog.text


async def test_transfers_end_each_for_its_own_waiters() -> None:
    leadership = Leadership()
    loop = asyncio.get_running_loop()
    won, lost, never = (loop.create_task(leadership.transferred(name)) for name in "abc")
    await asyncio.sleep(0)

    leadership.transfer_ended(TransferEnded("a", succeeded=True))
    leadership.transfer_ended(TransferEnded("b", succeeded=False))
    leadership.fail(Stopped("stopped"))

    await won
    with pytest.raises(TransferFailed, match="b did not take over"):
        await lost
    with pytest.raises(Stopped):
        await never
