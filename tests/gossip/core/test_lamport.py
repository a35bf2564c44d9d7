from hypothesis import given
from hypothesis import strategies as st

from gossip.core.lamport import TIME_MAX, Clocks, LamportClock


def test_clock_starts_at_one():
    assert 1 == LamportClock().time


def test_witness_moves_past_what_was_seen():
    clock = LamportClock()
    clock.witness(41)

    assert 42 == clock.time


def test_witness_of_the_past_changes_nothing():
    clock = LamportClock()
    clock.witness(41)
    clock.witness(3)

    assert 42 == clock.time


def test_increment_adds_one():
    clock = LamportClock()
    clock.increment()

    assert 2 == clock.time


@given(st.lists(st.integers(0, 1 << 63)))
def test_clock_never_goes_back(times):
    clock = LamportClock()
    for time in times:
        before = clock.time
        clock.witness(time)
        assert clock.time >= before
        assert clock.time > time


def test_clock_stops_where_the_wire_does():
    """A forged time must not make this node say what nobody can encode."""
    clock = LamportClock()
    clock.witness(TIME_MAX)
    clock.increment()

    assert TIME_MAX == clock.time


def test_three_clocks_are_independent():
    clocks = Clocks()
    clocks.event.increment()

    assert (1, 2, 1) == (clocks.member.time, clocks.event.time, clocks.query.time)
