"""Services that are critical for too long."""

import asyncio

from agent.local.reaper import overdue, reap
from agent.tasks import Tasks
from tests.agent.local.fakes import make_local

BODY = '{"Name":"a","Check":{"TTL":"1s","DeregisterCriticalServiceAfter":"2m"}}'


def test_a_service_is_overdue_after_its_span():
    local = make_local()
    local.register(BODY)

    assert overdue(local.state, now_s=local.clock() + 120) == []
    assert [each.service_id for each in overdue(local.state, now_s=local.clock() + 121)] == ["a"]


def test_a_short_span_is_raised_to_the_floor():
    local = make_local()
    local.register(BODY.replace("2m", "1s"))

    assert overdue(local.state, now_s=local.clock() + 60) == []
    assert len(overdue(local.state, now_s=local.clock() + 61)) == 1
    assert len(overdue(local.state, now_s=local.clock() + 2, floor_s=0)) == 1


def test_only_critical_checks_of_services_with_a_span_count():
    local = make_local()
    local.register(BODY)
    local.register('{"Name":"b","Check":{"TTL":"1s"}}')
    local.register_check('{"Name":"node","TTL":"1s","DeregisterCriticalServiceAfter":"1m"}')
    local.agent.set_service_maintenance("b", enable=True)
    local.agent.update_check("service:a", "passing", "")

    assert overdue(local.state, now_s=local.clock() + 1e6) == []


async def test_overdue_services_are_deregistered():
    local, tasks, gone = make_local(), Tasks(), asyncio.Event()
    local.register(BODY)
    local.register('{"Name":"b"}')
    local.clock.now_s += 121
    local.state.subscribe(lambda _id: gone.set())

    tasks.start("reap", reap(local.agent, interval_s=0.001))
    await gone.wait()
    await tasks.close()

    assert set(local.state.services) == {"b"}
