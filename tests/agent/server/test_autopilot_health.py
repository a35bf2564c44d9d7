"""Who is healthy, since when, and how many may fail."""

import pytest

from agent.server.autopilot_health import Assessment, Observed, assess, keeps_up
from catalog.duration import MILLISECOND, SECOND
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from raft.entries import Configuration
from tests.agent.server.fleet import following, members_of, seen

THREE = members_of("abc")
SETTINGS = AutopilotConfiguration()
LEADER = following(1000, contact_ns=0)


def look(
    previous: Assessment | None = None,
    now_s: float = 0.0,
    *,
    configuration: Configuration = THREE,
    down: str = "",
    failed: str = "",
    unknown: str = "",
) -> Assessment:
    ids = [server.id for server in configuration.servers]
    observed = Observed(
        configuration=configuration,
        members=[
            seen(i, Status.FAILED if i in failed else Status.ALIVE) for i in ids if i not in unknown
        ],
        stats={i: following(1000, contact_ns=0 if i == "a" else 50) for i in ids if i not in down},
        leader_id="a",
    )
    return assess(previous, observed, SETTINGS, now_s)


@pytest.mark.parametrize(
    ("stats", "healthy"),
    [
        (following(1000), True),
        (following(1000, contact_ns=200 * MILLISECOND), True),
        (following(1000, contact_ns=201 * MILLISECOND), False),
        (following(1000, contact_ns=-1), False),
        (following(1000, term=1), False),
        (following(1000, cluster_id=b"another"), False),
        (following(1000, cluster_id=b""), False),
        (following(750), True),
        (following(749), False),
        (following(1200), True),  # it answered later than the leader looked at its own log
    ],
)
def test_a_server_keeps_up_when_it_hears_the_leader_and_is_close_behind(stats, healthy):
    assert healthy is keeps_up(stats, LEADER, SETTINGS)


def test_in_a_short_log_nobody_is_far_behind():
    assert keeps_up(following(0), following(250, contact_ns=0), SETTINGS)
    assert not keeps_up(following(0), following(251, contact_ns=0), SETTINGS)


@pytest.mark.parametrize("trouble", ["down", "failed", "unknown"])
def test_who_is_silent_failed_or_unknown_is_not_healthy(trouble):
    found = look(**{trouble: "c"})

    assert {"a": True, "b": True, "c": False} == {c.id: c.is_healthy for c in found.conditions}
    assert not found.is_healthy


def test_a_server_that_is_leaving_is_healthy_until_it_left():
    observed = Observed(
        configuration=members_of("ab"),
        members=[seen("a"), seen("b", Status.LEAVING)],
        stats={"a": LEADER, "b": following(1000)},
        leader_id="a",
    )

    assert assess(None, observed, SETTINGS, 0.0).is_healthy


@pytest.mark.parametrize(
    ("voters", "failed", "tolerance"),
    [("a", "", 0), ("abc", "", 1), ("abc", "c", 0), ("abcde", "e", 1), ("abcd", "", 1)],
)
def test_the_tolerance_counts_healthy_voters_above_the_quorum(voters, failed, tolerance):
    configuration = members_of(voters, "xy")

    assert tolerance == look(configuration=configuration, failed=failed).failure_tolerance


def test_stable_since_changes_with_health_only():
    first = look(now_s=1.0)
    second = look(first, 2.0)
    third = look(second, 3.0, failed="c")
    fourth = look(third, 4.0, failed="c")

    assert [1.0, 1.0, 3.0, 3.0] == [
        seen_then.of("c").stable_since_s for seen_then in (first, second, third, fourth)
    ]
    assert (1.0, 1.0) == (fourth.of("a").stable_since_s, fourth.begun_s)
    assert 1.0 == fourth.of("c").stable_s(4.0)


def test_a_silent_server_is_shown_with_its_last_numbers():
    later = look(look(), 2.0, down="c", unknown="c").of("c")

    assert (1000, "srv-c", "1.9.8") == (later.stats.last_index, later.name, later.build)
    assert (False, Status.NONE) == (later.answers, later.status)


def test_the_stable_size_shrinks_only_once_all_voters_were_healthy_for_long():
    five = look(now_s=0.0, configuration=members_of("abcde"))
    four = look(five, 1.0, configuration=members_of("abcd"), failed="d")
    after_s = SETTINGS.server_stabilization_time / SECOND

    healed = look(four, 2.0, configuration=members_of("abcd"))
    stable = look(healed, 2.0 + after_s, configuration=members_of("abcd"))

    assert [5, 5, 5, 4] == [
        seen_then.stable_voter_count for seen_then in (five, four, healed, stable)
    ]


def test_the_stable_size_grows_at_once():
    grown = look(look(), 1.0, configuration=members_of("abcd"), failed="d")

    assert 4 == grown.stable_voter_count
