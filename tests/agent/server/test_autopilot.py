"""What autopilot does, as tables of situations; and what it never does, whatever it sees."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server.autopilot import (
    Decision,
    Demote,
    ForceLeave,
    HandOver,
    Promote,
    Remove,
    decide,
    servers_after,
)
from agent.server.autopilot_health import Assessment, Observed, assess
from agent.server.consensus import quorum
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from raft.entries import Configuration
from tests.agent.server.fleet import following, in_short, members_of, seen

SETTINGS = AutopilotConfiguration()
LONG_S = 60.0  # longer than the stabilization time of 10 s
NOW_S = 1000.0


class Scene:
    """A membership in which some servers are in trouble, and have been for ``since_s``."""

    def __init__(
        self,
        voters: str,
        non_voters: str = "",
        *,
        stable_voter_count: int = 0,
        begun_s: float = 0.0,
        since_s: float = NOW_S - LONG_S,
        **trouble: str,
    ) -> None:
        self.configuration = members_of(voters, non_voters)
        ids = sorted(voters + non_voters + trouble.get("outside", ""))
        self.members = [
            seen(i, self._status(i, trouble), read_replica=i in trouble.get("replica", ""))
            for i in ids
            if i not in trouble.get("unknown", "")
        ]
        silent = "".join(trouble.get(kind, "") for kind in ("failed", "unknown", "silent", "left"))
        answering = trouble.get("answering", "")
        observed = Observed(
            configuration=self.configuration,
            members=self.members,
            stats={i: following(contact_ns=0) for i in ids if i not in silent or i in answering},
            leader_id=ids[0],
        )
        self.assessment = msgspec.structs.replace(
            assess(None, observed, SETTINGS, since_s),
            begun_s=begun_s,
            stable_voter_count=stable_voter_count or len(voters),
        )

    @staticmethod
    def _status(server_id: str, trouble: dict[str, str]) -> Status:
        if server_id in trouble.get("failed", ""):
            return Status.FAILED
        if server_id in trouble.get("left", ""):
            return Status.LEFT
        return Status.LEAVING if server_id in trouble.get("leaving", "") else Status.ALIVE

    def decision(self, settings: AutopilotConfiguration = SETTINGS) -> Decision:
        return decide(self.assessment, self.members, settings, NOW_S)


def with_settings(**changed: object) -> AutopilotConfiguration:
    return msgspec.structs.replace(SETTINGS, **changed)


@pytest.mark.parametrize("voters", ["a", "ab", "abc", "abcde"])
def test_nothing_is_done_while_all_voters_are_well(voters):
    assert Decision() == Scene(voters).decision()


# Promotions.


def test_a_server_that_was_healthy_for_long_is_promoted():
    assert Promote("d") == Scene("abc", "d").decision().action


def test_a_server_that_is_healthy_for_a_moment_waits():
    assert Scene("abc", "d", since_s=NOW_S - 9.0).decision().action is None


def test_a_new_leader_has_watched_nobody_for_long_so_it_does_not_ask_for_it():
    scene = Scene("abc", "d", since_s=NOW_S - 1.0, begun_s=NOW_S - 2.0)

    assert Promote("d") == scene.decision().action


@pytest.mark.parametrize("trouble", ["silent", "leaving", "replica", "unknown"])
def test_who_is_silent_leaving_a_replica_or_unknown_is_not_promoted(trouble):
    scene = Scene("abc", "d", **{trouble: "d"})

    assert Promote("d") != scene.decision().action


def test_servers_are_promoted_one_by_one():
    scene = Scene("a", "bc")

    assert Promote("b") == scene.decision().action
    assert "ab+c" == in_short(servers_after(scene.configuration.servers, Promote("b")))


def test_a_promotion_comes_before_a_removal():
    assert Promote("d") == Scene("abc", "d", failed="c").decision().action


# Demotions.


def test_a_voter_that_became_a_replica_loses_its_vote():
    scene = Scene("abc", replica="b")

    assert Demote("b") == scene.decision().action
    assert "ac+b" == in_short(servers_after(scene.configuration.servers, Demote("b")))


def test_a_leader_that_became_a_replica_hands_over_first():
    assert HandOver("b") == Scene("abc", replica="a").decision().action


def test_a_replica_keeps_its_vote_while_the_others_are_no_quorum():
    assert Decision() == Scene("a", replica="a").decision()
    assert not isinstance(Scene("abc", replica="b", failed="c").decision().action, Demote)


# Removals.


@pytest.mark.parametrize(
    ("scene", "action"),
    [
        (Scene("abc", failed="c"), ForceLeave("c", "srv-c")),
        (Scene("abcde", failed="de"), ForceLeave("d", "srv-d")),
        (Scene("abc", unknown="c"), Remove("c")),
        # The harmless first: who fails without a vote, then who is unknown, then the voters.
        (Scene("abcde", "xy", failed="dx", unknown="ey"), ForceLeave("x", "srv-x")),
        (Scene("abcde", "y", failed="d", unknown="ey"), Remove("y")),
        (Scene("abcde", failed="d", unknown="e"), Remove("e")),
        (Scene("abc", outside="z", failed="z"), ForceLeave("z", "srv-z")),
    ],
)
def test_dead_servers_are_removed_in_this_order(scene, action):
    assert action == scene.decision().action


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (Scene("ab", failed="b"), "of 2 voters none can be spared"),
        (Scene("abc", failed="bc"), "only 1 of the remaining 2 voters would be alive"),
        (
            Scene("abc", failed="c", stable_voter_count=5),
            "2 voters would be no majority of the 5",
        ),
    ],
)
def test_a_dead_voter_is_kept_when_its_removal_could_cost_the_quorum(scene, reason):
    decision = scene.decision()

    assert decision.action is None
    assert reason in decision.blocked


def test_the_smallest_quorum_is_kept():
    scene = Scene("abcd", failed="d")

    assert "fewer than MinQuorum (4)" in scene.decision(with_settings(min_quorum=4)).blocked
    assert ForceLeave("d", "srv-d") == scene.decision(with_settings(min_quorum=3)).action


def test_nothing_is_removed_when_the_cleanup_is_off():
    scene = Scene("abc", "x", failed="cx")

    assert Decision() == scene.decision(with_settings(cleanup_dead_servers=False))


def test_nothing_is_removed_while_a_server_that_left_is_on_its_way_out():
    assert Decision() == Scene("abcde", failed="d", left="e").decision()


@pytest.mark.parametrize("trouble", [{"since_s": NOW_S - 1.0}, {"answering": "c"}])
def test_a_server_that_gossip_does_not_know_yet_is_not_forgotten(trouble):
    assert Decision() == Scene("abc", unknown="c", **trouble).decision()


def test_the_leader_is_never_unknown():
    assert Decision() == Scene("abc", unknown="a").decision()


def kill_one_by_one(settings: AutopilotConfiguration) -> str:
    """Five servers of which one after the other fails for ever, at once after a removal."""
    configuration, stable = members_of("abcde"), 5
    for victim in "edcb":
        scene = Scene("".join(configuration.voter_ids()), failed=victim, stable_voter_count=stable)
        action = scene.decision(settings).action
        if action is None:
            break
        assert isinstance(action, ForceLeave)
        kept = tuple(s for s in configuration.servers if s.id != action.server_id)
        configuration = Configuration(kept)
    return in_short(configuration.servers)


@pytest.mark.parametrize(
    ("min_quorum", "left"), [(0, "abc"), (3, "abc"), (4, "abcd"), (5, "abcde")]
)
def test_losses_one_after_the_other_do_not_make_a_minority_the_quorum(min_quorum, left):
    """consul#5922."""
    assert left == kill_one_by_one(with_settings(min_quorum=min_quorum))


IDS = "abcdefgh"
STATES = st.sampled_from([*Status, None])


@st.composite
def situations(draw: st.DrawFn) -> tuple[Assessment, list[object], AutopilotConfiguration]:
    voters = draw(st.text(IDS, min_size=1, max_size=7).map(lambda text: "".join(sorted(set(text)))))
    others = "".join(i for i in IDS if i not in voters and draw(st.booleans()))
    leader = draw(st.sampled_from(voters))
    statuses = {i: Status.ALIVE if i == leader else draw(STATES) for i in voters + others}
    members = [
        seen(i, status, read_replica=draw(st.booleans()))
        for i, status in statuses.items()
        if status is not None
    ]
    observed = Observed(
        configuration=members_of(voters, others),
        members=members,
        stats={i: following(contact_ns=0) for i in statuses if i == leader or draw(st.booleans())},
        leader_id=leader,
    )
    settings = with_settings(min_quorum=draw(st.integers(0, 6)))
    assessment = assess(None, observed, settings, draw(st.sampled_from([0.0, NOW_S - 1.0])))
    stable = draw(st.integers(len(voters), 9))
    return msgspec.structs.replace(assessment, stable_voter_count=stable), members, settings


@given(situations())
def test_no_vote_is_taken_that_the_quorum_needs(situation):
    assessment, members, settings = situation
    alive = {m.id for m in members if m.status in (Status.ALIVE, Status.LEAVING)}
    voters = {voter.id for voter in assessment.voters}

    action = decide(assessment, members, settings, NOW_S).action

    loses_vote = isinstance(action, Remove | ForceLeave | Demote) and action.server_id in voters
    if loses_vote:
        remaining = voters - {action.server_id}
        assert len(remaining) >= max(1, settings.min_quorum)
        assert len(remaining & alive) >= quorum(len(remaining))
    if loses_vote and not isinstance(action, Demote):
        assert len(remaining) >= quorum(assessment.stable_voter_count)
        assert action.server_id not in alive


@given(situations())
def test_a_vote_is_given_to_servers_that_are_alive_and_want_it_only(situation):
    assessment, members, settings = situation
    action = decide(assessment, members, settings, NOW_S).action

    if isinstance(action, Promote):
        (member,) = (m for m in members if m.id == action.server_id)
        assert (Status.ALIVE, False) == (member.status, member.read_replica)
        assert assessment.of(action.server_id).is_healthy
