import asyncio

import pytest

from agent.checks.alias import AliasWatch, aliased, backoff_s
from agent.checks.definition import CheckType
from catalog.rows.check import CRITICAL, PASSING, WARNING, HealthCheck

ALIAS = CheckType(check_id="alias", alias_service="web")


def check(status, *, service_id="web", name="c", output="", check_id="c"):
    return HealthCheck(
        check_id=check_id, name=name, status=status, service_id=service_id, output=output
    )


@pytest.mark.parametrize(
    ("checks", "status", "output"),
    [
        ([], PASSING, "No checks found."),
        ([check(PASSING)], PASSING, "All checks passing."),
        ([check(CRITICAL, service_id="other")], PASSING, "No checks found."),
        ([check(CRITICAL, service_id="", name="disk")], CRITICAL, 'Aliased check "disk" failing: '),
        (
            [check(WARNING, name="w", output="slow"), check(PASSING)],
            WARNING,
            'Aliased check "w" failing: slow',
        ),
        (
            [check(WARNING), check(CRITICAL, name="x", output="down")],
            CRITICAL,
            'Aliased check "x" failing: down',
        ),
        ([check(CRITICAL, service_id="", check_id="alias")], PASSING, "No checks found."),
    ],
)
def test_worst_check_of_node_and_instance_decides(checks, status, output):
    outcome = aliased(ALIAS, checks, service_exists=True)

    assert (outcome.status, outcome.output) == (status, output)


def test_missing_service_is_critical():
    outcome = aliased(ALIAS, [check(PASSING, service_id="")], service_exists=False)

    assert outcome.status == CRITICAL
    assert outcome.output == "Service web could not be found on node "


def test_alias_of_a_node_follows_the_nodes_own_checks():
    alias = CheckType(check_id="alias", alias_node="n")

    outcome = aliased(alias, [check(WARNING, service_id=""), check(CRITICAL)], service_exists=True)

    assert outcome.status == WARNING


def test_backoff_begins_after_three_failures_and_is_bounded():
    assert [backoff_s(count) for count in (1, 3, 4, 5, 50)] == [1, 1, 2, 4, 60]


class FakeLookup:
    """Local checks that change by ``set``; remote answers from a queue."""

    def __init__(self):
        self.checks = ()
        self.watchers = []
        self.answers = asyncio.Queue()
        self.asked = []

    def set(self, *checks):
        self.checks = checks
        for changed in self.watchers:
            changed()

    def local_checks(self):
        return self.checks

    def has_local_service(self, service_id):
        return service_id == "web"

    def watch_local(self, _service_id, changed):
        self.watchers.append(changed)
        return lambda: self.watchers.remove(changed)

    async def node_checks(self, node, *, token, index_min):
        self.asked.append((node, token, index_min))
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def node_has_service(self, _node, service_id, *, token):
        return service_id == "web" and token == "secret"


async def following(definition, lookup):
    found = asyncio.Queue()
    watch = AliasWatch(definition, lookup, found.put_nowait, 4096)
    return asyncio.create_task(watch.run()), found


async def test_local_change_is_followed_until_the_watch_ends():
    lookup = FakeLookup()
    task, found = await following(ALIAS, lookup)

    first = await found.get()
    lookup.set(check(CRITICAL))
    second = await found.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (first.status, second.status) == (PASSING, CRITICAL)
    assert lookup.watchers == []


async def test_remote_node_is_followed_by_index_and_survives_failures(monkeypatch):
    monkeypatch.setattr("agent.checks.alias.backoff_s", lambda _failures: 0.0)
    lookup = FakeLookup()
    alias = CheckType(check_id="a", alias_service="web", alias_node="n2", token="secret")
    task, found = await following(alias, lookup)

    lookup.answers.put_nowait((7, [check(PASSING)]))
    lookup.answers.put_nowait((9, [check(CRITICAL)]))
    lookup.answers.put_nowait(RuntimeError("no leader"))
    lookup.answers.put_nowait((3, []))
    outcomes = [await found.get() for _ in range(3)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [outcome.status for outcome in outcomes] == [PASSING, CRITICAL, PASSING]
    assert [index for _, _, index in lookup.asked][:4] == [0, 7, 9, 0]
