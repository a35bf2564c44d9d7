"""How long a call goes on asking."""

from agent.rpc.connection import ConnectionLost
from agent.rpc.patience import Patience
from agent.rpc.pool import Unreachable
from agent.rpc.request import NoLeader
from tests.agent.local.fakes import Half

HOLD_S = 8.0
PAUSE_S = 0.25  # half of a sixteenth of it
LOST = ConnectionLost("gone", sent=True)


def test_for_want_of_a_leader_a_call_goes_on_from_its_beginning():
    patience = Patience(HOLD_S, 100.0, blocks=False)

    assert [patience.pause_s(NoLeader(), now_s, Half()) for now_s in (100.0, 107.7, 107.8)] == [
        PAUSE_S,
        PAUSE_S,
        None,
    ]


def test_a_server_that_has_waited_for_a_leader_is_not_asked_again():
    assert Patience(HOLD_S, 100.0, blocks=False).pause_s(NoLeader(), 108.0, Half()) is None


def test_a_dial_that_took_its_time_counts_too():
    patience = Patience(HOLD_S, 100.0, blocks=False)
    dead = Unreachable("no connection in 3 s")

    assert [patience.pause_s(dead, now_s, Half()) for now_s in (103.0, 106.5, 109.5)] == [
        PAUSE_S,
        PAUSE_S,
        None,
    ]


def test_after_a_loss_another_server_is_asked_at_once():
    patience = Patience(HOLD_S, 0.0, blocks=False)

    assert [patience.pause_s(LOST, 30.0, Half()) for _ in range(2)] == [0.0, PAUSE_S]
    assert patience.pause_s(LOST, 38.0, Half()) is None


def test_blocking_reads_come_back_spread_in_time():
    patience = Patience(HOLD_S, 0.0, blocks=True)

    assert patience.pause_s(LOST, 300.0, Half()) == PAUSE_S
    assert patience.pause_s(NoLeader(), 307.0, Half()) == PAUSE_S
    assert patience.pause_s(NoLeader(), 308.0, Half()) is None


def test_without_hold_time_a_call_gives_up_at_once():
    assert Patience(0.0, 5.0, blocks=False).pause_s(NoLeader(), 5.0, Half()) is None
    assert Patience(0.0, 5.0, blocks=True).pause_s(LOST, 5.0, Half()) is None
