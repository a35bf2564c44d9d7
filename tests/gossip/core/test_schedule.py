from hypothesis import given
from hypothesis import strategies as st

from gossip.core.schedule import STALE_COUNT_MIN, Schedule, Timer, TimerKind

ONE, TWO = Timer(TimerKind.PROBE), Timer(TimerKind.SUSPICION, "b")


def test_timer_fires_once_and_not_before_its_time():
    schedule = Schedule()
    schedule.set(ONE, 5.0)

    assert None is schedule.pop_due(4.9)
    assert ONE == schedule.pop_due(5.0)
    assert None is schedule.pop_due(5.0)


def test_setting_again_moves_a_timer():
    schedule = Schedule()
    schedule.set(ONE, 5.0)
    schedule.set(ONE, 9.0)

    assert 9.0 == schedule.next_deadline()
    assert None is schedule.pop_due(8.0)
    assert ONE == schedule.pop_due(9.0)


def test_cancelled_timer_does_not_fire():
    schedule = Schedule()
    schedule.set(ONE, 5.0)
    schedule.cancel(ONE)
    schedule.cancel(TWO)

    assert not schedule.is_set(ONE)
    assert None is schedule.next_deadline()


def test_timers_of_one_time_fire_in_the_order_they_were_set():
    schedule = Schedule()
    schedule.set(TWO, 5.0)
    schedule.set(ONE, 5.0)

    assert [TWO, ONE] == [schedule.pop_due(6.0), schedule.pop_due(6.0)]


def test_moved_timers_do_not_pile_up():
    schedule = Schedule()
    for at in range(10_000):
        schedule.set(ONE, float(at))

    assert len(schedule._heap) <= STALE_COUNT_MIN + 3


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 50)))))
def test_schedule_agrees_with_a_plain_table(moves):
    schedule, table = Schedule(), {}
    for subject, at in moves:
        timer = Timer(TimerKind.SUSPICION, subject)
        if at is None:
            schedule.cancel(timer)
            table.pop(timer, None)
        else:
            schedule.set(timer, float(at))
            table[timer] = float(at)
        assert min(table.values(), default=None) == schedule.next_deadline()

    fired = []
    while (timer := schedule.pop_due(100.0)) is not None:
        fired.append(timer)

    assert sorted(table.values()) == [table[timer] for timer in fired]
    assert set(table) == set(fired)
