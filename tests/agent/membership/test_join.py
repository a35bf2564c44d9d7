"""Joins at the start, once and repeated."""

from collections.abc import Sequence

import pytest

from agent.membership.join import JoinPlan, join_once, join_plans, join_until_joined
from catalog.duration import SECOND
from catalog.errors import CatalogError, Invalid
from tests.agent.membership.agents import make_client_config, make_config

REFUSED = CatalogError("Failed to join 10.0.0.1: connection refused")


class Members:
    """Answers joins in turn; the last answer for ever."""

    def __init__(self, *answers: int | CatalogError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[tuple[str, ...], bool]] = []

    async def join(self, addresses: Sequence[str], *, wide: bool) -> int:
        self.asked.append((tuple(addresses), wide))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CatalogError):
            raise answer
        return answer


class Sleeps(list[float]):
    """Sleeps not, but remembers how long it should have."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def plan(**fields) -> JoinPlan:
    values = {"wide": False, "once": (), "repeated": ("10.0.0.1",), "interval_s": 30.0}
    return JoinPlan(**values | {"attempts_max": 0} | fields)


def test_a_server_has_a_plan_for_each_pool():
    config = make_config(
        start_join=("a",),
        retry_join=("b", "c"),
        retry_interval=5 * SECOND,
        retry_max=3,
        start_join_wan=("d",),
        retry_join_wan=("e",),
        retry_interval_wan=6 * SECOND,
    )

    expected = (
        plan(once=("a",), repeated=("b", "c"), interval_s=5.0, attempts_max=3),
        plan(wide=True, once=("d",), repeated=("e",), interval_s=6.0),
    )
    assert expected == join_plans(config)


def test_a_client_joins_the_lan_only():
    (only,) = join_plans(make_client_config("c", retry_join_wan=("e",)))

    assert not only.wide


def test_plain_addresses_with_spaces_are_left_to_the_join():
    (only,) = join_plans(make_client_config("c", start_join=("a b",)))

    assert only.once == ("a b",)


@pytest.mark.parametrize("key", ["start_join", "retry_join", "start_join_wan", "retry_join_wan"])
def test_cloud_discovery_is_refused_without_its_secrets(key):
    entry = "provider=aws tag_key=x secret_access_key=hush"
    with pytest.raises(Invalid, match=f"^{key}: cloud discovery \\(provider=aws\\)") as caught:
        join_plans(make_config(**{key: (entry,)}))

    assert "hush" not in str(caught.value)


async def test_a_join_of_the_start_is_tried_once():
    members = Members(REFUSED)
    with pytest.raises(CatalogError, match="Failed to join"):
        await join_once(plan(once=("a", "b"), wide=True), members)
    await join_once(plan(once=("c",)), Members(1))
    await join_once(plan(), members)

    assert [(("a", "b"), True)] == members.asked


async def test_a_repeated_join_ends_when_somebody_answers():
    members, sleeps = Members(REFUSED, REFUSED, 1), Sleeps()

    await join_until_joined(plan(), members, on_exhausted=pytest.fail, sleep=sleeps)

    assert ([30.0, 30.0], 3) == (sleeps, len(members.asked))


async def test_too_many_attempts_are_reported_with_the_reason():
    members, sleeps, reasons = Members(REFUSED), Sleeps(), []

    await join_until_joined(
        plan(attempts_max=2), members, on_exhausted=reasons.append, sleep=sleeps
    )

    assert ([REFUSED], [30.0], 2) == (reasons, sleeps, len(members.asked))


async def test_an_interval_of_nothing_still_waits():
    members, sleeps = Members(REFUSED, 1), Sleeps()

    await join_until_joined(plan(interval_s=0.0), members, on_exhausted=pytest.fail, sleep=sleeps)

    assert [0.1] == sleeps


async def test_without_addresses_nothing_is_joined():
    members = Members(1)

    await join_until_joined(plan(repeated=()), members, on_exhausted=pytest.fail)

    assert [] == members.asked
