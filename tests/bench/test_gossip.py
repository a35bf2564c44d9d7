"""The report of the gossip benchmark; the benchmark itself is no test."""

import pytest

from tests.bench.gossip import Measured, Row, parse, render, rows_of
from tests.bench.gossip_measure import CPU, EVENT, FAILURE, JOIN, MEASUREMENTS, MEMORY, TRAFFIC
from tests.bench.gossip_pools import BarePool, ClientPool, Pool, SerfPool


def measured(kind: str, number: int = 0, **changes: float) -> Measured:
    values = dict.fromkeys(MEASUREMENTS, 1.0) | changes
    return Measured(kind=kind, agents=5, round=number, values=values)


def row_of(rows: list[Row], measurement: str) -> Row:
    return next(row for row in rows if row.measurement == measurement)


def test_report_has_a_line_for_each_size_and_measurement():
    twenty = Measured(kind="serf", agents=20, round=0, values=dict.fromkeys(MEASUREMENTS, 2.0))

    lines = render(rows_of([measured("serf"), measured("bare"), twenty])).splitlines()

    assert 1 + 2 * len(MEASUREMENTS) == len(lines)
    assert ["5", "20"] == [lines[1].split()[0], lines[-1].split()[0]]


def test_report_names_who_misses_which_target():
    serf = measured("serf", **{JOIN: 2.0, CPU: 0.5})
    bare = measured("bare", **{JOIN: 3.0, CPU: 1.5})
    client = measured("client", **{JOIN: 1.0, CPU: 1.6, MEMORY: 50.5})

    rows = rows_of([serf, bare, client])

    verdicts = {row.measurement: {kind: row.verdict(kind) for kind in row.medians} for row in rows}
    assert {"serf": None, "bare": "MISSED", "client": "ok"} == verdicts[JOIN]
    assert {"serf": None, "bare": "ok", "client": "MISSED"} == verdicts[CPU]
    assert {"serf": None, "bare": None, "client": "MISSED"} == verdicts[MEMORY]
    assert {"serf": None, "bare": None, "client": None} == verdicts[TRAFFIC]
    assert "client MISSED" in render([row_of(rows, MEMORY)])


@pytest.mark.parametrize(("bare_s", "verdict"), [(7.9, "even"), (8.1, "MISSED")])
def test_times_closer_than_a_timer_are_even(bare_s: float, verdict: str):
    rows = rows_of([measured("serf", **{FAILURE: 7.0}), measured("bare", **{FAILURE: bare_s})])

    assert verdict == row_of(rows, FAILURE).verdict("bare")


def test_report_takes_medians_of_the_rounds():
    rounds = [measured("bare", n, **{FAILURE: value}) for n, value in enumerate((9.0, 1.0, 2.0))]

    assert {"bare": 2.0} == row_of(rows_of(rounds), FAILURE).medians


def test_report_without_serf_has_no_ratios():
    row = row_of(rows_of([measured("bare")]), EVENT)

    assert (None, None) == (row.ratio("bare"), row.verdict("bare"))
    assert "1.00" in render([row])


@pytest.mark.parametrize(
    ("pool", "line", "news"),
    [
        (SerfPool, "2026/11/25 10:36:32 [INFO] serf: EventMemberJoin: n2 127.0.0.2", "joined n2"),
        (SerfPool, "    [INFO] serf: EventMemberFailed: n5 127.0.0.5", "failed n5"),
        (SerfPool, "    [INFO] agent: Received event: user-event: bench-1", "event bench-1"),
        (BarePool, "member-join n2", "joined n2"),
        (BarePool, "event bench-1", "event bench-1"),
        (ClientPool, "agent.membership: member-failed: pool=lan member=n5", "failed n5"),
    ],
)
def test_news_are_read_from_what_members_print(pool: type[Pool], line: str, news: str):
    found = pool.news.search(line)

    assert found is not None
    assert news == f"{found.lastgroup} {found[found.lastgroup or 0]}"


@pytest.mark.parametrize("argv", [["--agents", "3"], ["--agents", "500"], ["--kinds", "consul"]])
def test_wrong_arguments_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(argv)

    assert argv[0] in capsys.readouterr().err
