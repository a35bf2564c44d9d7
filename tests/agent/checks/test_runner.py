import asyncio

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome
from agent.checks.runner import CheckRunner
from agent.checks.settings import CheckSettings
from agent.checks.ttl import NoTtl, TtlState
from agent.clock import wall_s
from agent.tasks import Tasks
from catalog.rows.check import CRITICAL, PASSING, WARNING, HealthCheck
from tests.agent.checks.loopback import hang_up, stream_server

SECOND = 1_000_000_000


class SoonRandom:
    """Puts the first run at once."""

    def random(self):
        return 0.0


class Lookup:
    """One local service, web, that is critical."""

    def local_checks(self):
        return (HealthCheck(check_id="w", name="w", service_id="web", status=CRITICAL),)

    def has_local_service(self, _service_id):
        return True

    def watch_local(self, _service_id, _changed):
        return lambda: None


@pytest.fixture
async def running():
    tasks, reports = Tasks(), asyncio.Queue()
    runner = CheckRunner(
        tasks,
        SoonRandom(),
        lambda *finding: reports.put_nowait(finding),
        CheckSettings(output_bytes_max=4096),
        lookup=Lookup(),
    )
    yield runner, reports
    runner.stop_all()
    await tasks.close()


@pytest.fixture
def fast_floor(monkeypatch):
    monkeypatch.setattr("agent.checks.runner.INTERVAL_MIN_NS", SECOND // 100)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"tcp": "nowhere"}, CRITICAL),
        ({"http": "nowhere"}, CRITICAL),
        ({"udp": "nowhere"}, CRITICAL),
        ({"grpc": "nowhere"}, CRITICAL),
        ({"h2ping": "nowhere"}, CRITICAL),
        ({"script_args": ("false",)}, WARNING),
        ({"script_args": ("x",), "docker_container_id": "c"}, CRITICAL),
        ({"os_service": "no-such-unit"}, CRITICAL),
        ({"alias_service": "web"}, CRITICAL),
        ({"ttl_ns": SECOND // 100}, CRITICAL),
    ],
)
async def test_each_type_reports_under_its_identifier(running, fields, status):
    runner, reports = running
    definition = CheckType(check_id="c", interval_ns=0 if "ttl_ns" in fields else SECOND, **fields)

    runner.start(definition)

    check_id, found, output = await reports.get()
    assert (check_id, found) == ("c", status)
    assert output or found == WARNING


async def test_check_runs_again_after_each_interval(running, fast_floor):
    runner, reports = running
    async with stream_server(hang_up) as address:
        target = address
        runner.start(CheckType(check_id="c", tcp=target, interval_ns=SECOND // 100))
        found = [await reports.get() for _ in range(3)]
        runner.stop("c")

    assert [status for _, status, _ in found] == [PASSING] * 3


async def test_alternating_answers_are_damped(running, fast_floor):
    answered = asyncio.Event()
    statuses = iter([200, *[500, 200] * 3, 500, 500, 500])

    async def answer(_request):
        status = next(statuses, None)
        if status is None:
            answered.set()
        return web.Response(status=status or 500)

    app = web.Application()
    app.router.add_get("/", answer)
    runner, reports = running
    async with TestServer(app) as server:
        definition = CheckType(
            check_id="c",
            http=str(server.make_url("/")),
            interval_ns=SECOND // 100,
            success_before_passing=3,
            failures_before_critical=3,
        )
        runner.start(definition)
        await answered.wait()
        runner.stop("c")

    found = [reports.get_nowait()[1] for _ in range(2)]
    assert found == [PASSING, CRITICAL]


async def test_interval_below_a_second_is_raised_with_a_warning(running):
    runner, reports = running

    with structlog.testing.capture_logs() as logs:
        runner.start(CheckType(check_id="c", tcp="nowhere", interval_ns=SECOND // 5))
        await reports.get()

    assert ("check has interval below minimum", "200ms", "1s") in [
        (line["event"], line.get("interval"), line.get("minimum_interval")) for line in logs
    ]


async def test_nothing_is_reported_after_stop(running, fast_floor):
    runner, reports = running
    runner.start(CheckType(check_id="c", tcp="nowhere", interval_ns=SECOND // 100))
    await reports.get()

    runner.stop("c")
    while not reports.empty():
        reports.get_nowait()
    await asyncio.sleep(0.05)

    assert reports.empty()


async def test_failure_inside_a_probe_is_shown_and_the_check_goes_on(
    running, fast_floor, monkeypatch
):
    async def broken(_probe):
        raise RuntimeError("bug")

    monkeypatch.setattr("agent.checks.runner.TcpProbe.run", broken)
    runner, reports = running
    with structlog.testing.capture_logs():
        runner.start(CheckType(check_id="c", tcp="x:1", interval_ns=SECOND // 100))
        found = [await reports.get() for _ in range(2)]
        runner.stop("c")

    assert found == [("c", CRITICAL, "Check could not be run: RuntimeError: bug")] * 2


async def test_ttl_report_is_passed_on_with_its_output(running):
    runner, reports = running
    runner.start(CheckType(check_id="t", ttl_ns=60 * SECOND))

    runner.report_ttl("t", PASSING, "x" * 5000)

    _, status, output = reports.get_nowait()
    assert status == PASSING
    assert output.endswith(" ... (captured 4096 of 5000 bytes)")


async def test_report_for_a_check_without_ttl_is_refused_in_the_words_of_the_api(running):
    runner, _ = running
    runner.start(CheckType(check_id="c", tcp="nowhere", interval_ns=SECOND))

    for check_id in ("c", "none"):
        with pytest.raises(NoTtl) as refusal:
            runner.report_ttl(check_id, PASSING, "")
        assert str(refusal.value) == f'CheckID "{check_id}" does not have associated TTL'


async def test_equal_registration_keeps_the_deadline(running):
    runner, reports = running
    definition = CheckType(check_id="t", ttl_ns=60 * SECOND, notes="old")
    runner.start(definition)
    runner.report_ttl("t", PASSING, "ok")
    reports.get_nowait()
    state = runner.ttl_state("t")

    runner.start(CheckType(check_id="t", ttl_ns=60 * SECOND, notes="new"))

    assert state is not None
    assert runner.ttl_state("t") == state
    assert reports.empty()


async def test_other_definition_starts_anew(running):
    runner, reports = running
    runner.start(CheckType(check_id="t", ttl_ns=60 * SECOND))
    runner.report_ttl("t", PASSING, "ok")
    reports.get_nowait()

    runner.start(CheckType(check_id="t", ttl_ns=SECOND // 50))

    assert runner.ttl_state("t") is None
    assert await reports.get() == ("t", CRITICAL, "TTL expired")


async def test_resumed_ttl_goes_on_to_its_deadline(running):
    runner, reports = running
    kept = TtlState(check_id="t", status=PASSING, output="ok", expires=wall_s() + 0.02)

    runner.start(CheckType(check_id="t", ttl_ns=60 * SECOND), resumed=kept)

    _, status, _ = await reports.get()
    assert status == CRITICAL


async def test_counts_tell_looking_checks_from_waiting_ones(running):
    runner, _ = running

    runner.start(CheckType(check_id="t", ttl_ns=60 * SECOND))
    runner.start(CheckType(check_id="c", tcp="nowhere", interval_ns=SECOND))
    runner.start(CheckType(check_id="d", tcp="nowhere", interval_ns=SECOND))
    runner.stop("unknown")

    assert runner.counts() == (2, 1)


async def test_run_that_outlives_its_check_does_not_speak_for_it(running, fast_floor, monkeypatch):
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def stubborn(_probe):
        asked.set()
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue
        return Outcome(CRITICAL, "late")

    monkeypatch.setattr("agent.checks.runner.TcpProbe.run", stubborn)
    runner, reports = running
    runner.start(CheckType(check_id="c", tcp="x:1", interval_ns=SECOND // 100))
    await asked.wait()

    runner.stop("c")
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.sleep(0.05)

    assert reports.empty()


async def test_changes_of_status_are_logged_once(running, fast_floor):
    runner, reports = running

    with structlog.testing.capture_logs() as logs:
        runner.start(CheckType(check_id="c", tcp="nowhere", interval_ns=SECOND // 100))
        for _ in range(3):
            await reports.get()

    changes = [line for line in logs if line["event"] == "check is not passing"]
    assert [(line["check"], line["status"]) for line in changes] == [("c", CRITICAL)]
