"""The judges of a load find each kind of broken promise in a history made by hand."""

import base64
from typing import Any

from tests.sim.raft.linearizability import Kind, Operation, Verdict
from tests.system.load import COUNTER, PREFIX, Acknowledged, History
from tests.system.load_verdicts import judge_all, judge_registers, outage_s


def row(key: str, value: str, created: int = 1, modified: int = 1) -> dict[str, Any]:
    text = base64.b64encode(value.encode()).decode()
    return {"Key": key, "Value": text, "CreateIndex": created, "ModifyIndex": modified}


def judged(
    history: History, *rows: dict[str, Any], count: int = 0, sessions: tuple[str, ...] = ()
) -> list[str]:
    stored = [row(COUNTER, str(count)), *rows]
    return judge_all(history, judge_registers(history), stored, sessions)


def test_an_empty_history_breaks_nothing() -> None:
    assert judged(History()) == []


def test_a_lost_write_is_found() -> None:
    history = History()
    history.unique.acknowledged |= {f"{PREFIX}unique/1", f"{PREFIX}unique/2"}

    broken = judged(history, row(f"{PREFIX}unique/1", "x"))

    assert broken == [f"1 acknowledged writes are lost, as ['{PREFIX}unique/2']"]


def test_a_write_in_doubt_may_be_there_or_not() -> None:
    history = History()
    history.unique.unknown |= {f"{PREFIX}unique/1", f"{PREFIX}unique/2"}

    assert judged(history, row(f"{PREFIX}unique/1", "x")) == []


def test_a_write_that_was_refused_and_done_is_found() -> None:
    (broken,) = judged(History(), row(f"{PREFIX}unique/1", "x"))

    assert "that nobody wrote or that were refused" in broken


def test_a_write_done_twice_is_found() -> None:
    history = History()
    history.unique.acknowledged.add(f"{PREFIX}unique/1")

    (broken,) = judged(history, row(f"{PREFIX}unique/1", "x", created=5, modified=9))

    assert "written twice" in broken


def test_a_step_acknowledged_twice_is_found() -> None:
    (broken,) = judged(History(steps=[1, 2, 2]), count=2)

    assert "acknowledged twice" in broken


def test_a_lost_step_is_found() -> None:
    (broken,) = judged(History(steps=[1, 2, 3]), count=2)

    assert "beyond the final 2" in broken


def test_a_step_that_nobody_took_is_found() -> None:
    (broken,) = judged(History(steps=[1], unknown_steps=[3]), count=3)

    assert broken == "1 steps of the counter were taken by nobody, as ['2']"


def test_a_session_made_twice_or_lost_is_found() -> None:
    history = History()
    history.sessions.acknowledged |= {"session-1", "session-2"}

    broken = judged(history, sessions=("session-1", "session-1", "other"))

    assert broken == [
        "1 sessions were made twice, as ['session-1']",
        "1 sessions are lost, as ['session-2']",
    ]


def test_a_read_of_an_old_value_is_found() -> None:
    history = History()
    key = f"{PREFIX}register/0/0"
    for call, value in ((0, 1), (2, 2)):
        put = Operation(call=call, returned=call + 1, key=key, kind=Kind.PUT, argument=value)
        history.operations.append(put)
    old = Operation(call=4, returned=5, key=key, kind=Kind.GET, result=1)
    history.operations.append(old)

    assert judge_registers(history) == {key: Verdict.NO}
    (broken,) = judged(history)
    assert "not linearizable" in broken


def test_an_answer_that_hangs_is_found() -> None:
    (broken,) = judged(History(slowest_s=19.0))

    assert "an answer took 19.0 s" in broken


def test_an_outage_is_the_longest_time_without_a_write() -> None:
    writes = [Acknowledged(0.0, ended_s, "s1") for ended_s in (1.0, 10.5, 12.0, 12.5, 30.0)]

    assert outage_s(writes, 10.0, 13.0) == 1.5
    assert outage_s(writes, 12.75, 20.0) == 7.25
