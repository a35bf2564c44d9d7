import asyncio

from agent.checks.definition import CheckType
from agent.checks.ttl import TtlState, TtlTimer
from agent.clock import monotonic_s, wall_s
from catalog.rows.check import CRITICAL, PASSING, WARNING

MILLISECOND = 1_000_000


def timer_with_findings(ttl_ns, output_bytes=4096):
    found = asyncio.Queue()
    definition = CheckType(check_id="t", ttl_ns=ttl_ns)
    return TtlTimer(definition, output_bytes, found.put_nowait), found


async def test_silence_is_critical_after_the_ttl():
    timer, found = timer_with_findings(20 * MILLISECOND)

    timer.start()

    outcome = await found.get()
    assert (outcome.status, outcome.output) == (CRITICAL, "TTL expired")


async def test_expiry_quotes_the_last_output():
    timer, found = timer_with_findings(20 * MILLISECOND)

    timer.report(PASSING, "all good")

    outcome = await found.get()
    assert outcome.output == "TTL expired (last output before timeout follows): all good"


async def test_any_report_starts_the_span_anew():
    timer, found = timer_with_findings(50 * MILLISECOND)
    timer.start()

    for status in (PASSING, WARNING, CRITICAL):
        timer.report(status, "")
    reported_s = monotonic_s()
    await found.get()
    elapsed_s = monotonic_s() - reported_s
    await asyncio.sleep(0.1)

    assert elapsed_s >= 0.045
    assert found.empty(), "one span ends, the last"


async def test_report_cuts_its_output_to_the_head():
    timer, _ = timer_with_findings(1000 * MILLISECOND, output_bytes=4)

    outcome = timer.report(PASSING, "123456")
    timer.stop()

    assert outcome.output == "1234 ... (captured 4 of 6 bytes)"


async def test_state_holds_the_report_and_its_deadline():
    timer, _ = timer_with_findings(60_000 * MILLISECOND)

    before = timer.state
    timer.report(WARNING, "hmm")
    timer.stop()

    assert before is None
    assert timer.state is not None
    assert (timer.state.check_id, timer.state.status, timer.state.output) == ("t", WARNING, "hmm")
    assert 59 < timer.state.expires - wall_s() <= 60


async def test_resumed_span_keeps_its_deadline():
    timer, found = timer_with_findings(60_000 * MILLISECOND)
    kept = TtlState(check_id="t", status=PASSING, output="ok", expires=wall_s() + 0.02)

    timer.start(kept)

    outcome = await found.get()
    assert outcome.output == "TTL expired (last output before timeout follows): ok"


async def test_resumed_deadline_never_exceeds_the_ttl():
    timer, found = timer_with_findings(20 * MILLISECOND)
    kept = TtlState(check_id="t", status=PASSING, output="", expires=wall_s() + 3600)

    timer.start(kept)

    assert (await found.get()).output == "TTL expired"
