"""Elections. Sources: Raft §5.2 and §5.4.1, thesis §4.2.3 and §9.6, etcd/raft's raft_test.go."""

import pytest

from raft.core.settings import Settings
from raft.core.types import (
    Append,
    AppendAnswer,
    Heartbeat,
    PreVote,
    PreVoteAnswer,
    Role,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from tests.raft.core.cluster import Cluster, Dice, of


def candidate(cluster: Cluster, server_id: str = "a") -> None:
    """Let a server win the pre-vote of all that hear it; its votes are not answered yet."""
    cluster.hosts[server_id].dice.value = 0.0
    cluster.now += 3.0
    cluster[server_id].tick(cluster.now)
    cluster.flush(server_id)
    cluster.deliver(of(PreVote))
    cluster.deliver(of(PreVoteAnswer))


def forgotten(cluster: Cluster) -> None:
    """Let so much time pass that nobody remembers a leader."""
    cluster.now += 10.0


def test_a_leader_is_elected_with_one_server_down() -> None:
    cluster = Cluster()
    cluster.crash("c")

    cluster.elect("a")

    assert {"a"} == {cluster[s].leader_id for s in "ab"}


def test_nobody_is_elected_with_two_of_three_down() -> None:
    cluster = Cluster()
    cluster.crash("b")
    cluster.crash("c")

    cluster.wait(10)

    assert Role.PRE_CANDIDATE is cluster["a"].role
    assert 1 == cluster["a"].term


def test_every_server_can_lead_in_turn() -> None:
    """etcd/raft TestLeaderCycle."""
    cluster = Cluster()

    for server_id in "abcab":
        cluster.elect(server_id)
        cluster.isolate(server_id)
        cluster.wait(0.6)
        cluster.heal()


@pytest.mark.parametrize(("value", "timeout_s"), [(0.0, 1.0), (0.5, 1.5), (0.999, 1.999)])
def test_timeouts_are_spread_over_one_to_two_election_timeouts(
    value: float, timeout_s: float
) -> None:
    cluster = Cluster("ab")
    cluster.hosts["a"].dice.value = value

    cluster.say("b", "a", Heartbeat(1, 0, 1))

    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + timeout_s)


def test_most_elections_need_one_campaign() -> None:
    """etcd/raft's nonconflict tests ask for fewer than 30 to 40 % that need another."""
    campaigns = []
    for seed in range(40):
        cluster = Cluster("abcde")
        for server_id, host in cluster.hosts.items():
            host.dice = Dice(f"{seed} {server_id}")
            cluster.restart(server_id)
        term = cluster.elect("a").term
        cluster.wait(0.2)
        cluster.crash("a")
        cluster.wait(6)
        campaigns.append(cluster.leader().term - term)

    assert campaigns.count(1) > 0.7 * len(campaigns)


def test_the_timeout_is_drawn_once_for_all_that_one_leader_says() -> None:
    cluster = Cluster("ab")
    cluster.hosts["a"].dice.value = 0.25
    cluster.say("b", "a", Heartbeat(1, 0, 1))
    cluster.hosts["a"].dice.value = 0.75

    for message in (Heartbeat(1, 0, 2), Append(1, 1, 1, 0, ())):
        cluster.now += 0.5
        cluster.say("b", "a", message)

        assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 1.25)


def test_the_timeout_is_drawn_anew_for_another_leader_and_with_each_campaign() -> None:
    cluster = Cluster()
    dice = cluster.hosts["a"].dice
    dice.value = 0.25
    cluster.say("b", "a", Heartbeat(1, 0, 1))

    dice.value = 0.75
    cluster.say("c", "a", Heartbeat(2, 0, 1))
    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 1.75)
    cluster.persist("a")

    for dice.value in (0.5, 0.125):
        cluster.now += 2.0
        cluster.tick("a")
        assert Role.PRE_CANDIDATE is cluster["a"].role
        assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 1 + dice.value)


def test_another_election_timeout_counts_from_the_next_word_of_the_leader() -> None:
    cluster = Cluster("ab")
    cluster.hosts["a"].dice.value = 0.5
    cluster.say("b", "a", Heartbeat(1, 0, 1))

    cluster["a"].settings = Settings(election_timeout_s=4.0)
    cluster.say("b", "a", Heartbeat(1, 0, 2))

    assert cluster.hosts["a"].deadline == pytest.approx(cluster.now + 6.0)


def test_a_server_that_is_behind_never_wins_and_raises_no_term() -> None:
    """etcd/raft TestPreVoteWithSplitVote and TestDuelingPreCandidates."""
    cluster = Cluster()
    cluster.elect("a")
    cluster.isolate("c")
    cluster.propose("a", b"x")
    cluster.settle()
    term = cluster["a"].term

    cluster.wait(10)
    cluster.heal()
    cluster.wait(5)

    assert ("a", term) == (cluster.leader().server_id, cluster.leader().term)
    assert [b"x"] == cluster.hosts["c"].payloads


def test_votes_are_counted_by_sender() -> None:
    """xraft#27, coyote-samples#8, jgroups-raft#24: repeated answers gave a minority leader."""
    cluster = Cluster("abcde")
    candidate(cluster)
    cluster.persist("a")

    for _ in range(5):
        cluster.say("b", "a", VoteAnswer(2, granted=True))

    assert Role.CANDIDATE is cluster["a"].role
    cluster.say("c", "a", VoteAnswer(2, granted=True))
    assert Role.LEADER is cluster["a"].role


def test_only_voters_of_the_newest_membership_are_counted() -> None:
    """hashicorp/raft#477: a removed server's vote counted."""
    cluster = Cluster()
    candidate(cluster)
    cluster.persist("a")

    cluster.say("x", "a", VoteAnswer(2, granted=True))
    cluster.say("y", "a", VoteAnswer(2, granted=True))

    assert Role.CANDIDATE is cluster["a"].role


def test_the_vote_of_a_removed_server_is_not_counted() -> None:
    """hashicorp/raft#476, #477."""
    cluster = Cluster("abcd")
    cluster.elect("a")
    cluster["a"].propose_configuration(cluster.configuration.servers[:3], cluster.now)
    cluster.settle()
    cluster.crash("a")
    cluster.isolate("c")
    cluster.now += 3.0
    cluster.tick("b")
    questions = cluster.sent(PreVote)
    asked = {receiver for _, receiver, m in cluster.network if isinstance(m, PreVote)}

    cluster.say("d", "b", PreVoteAnswer(questions[0].term, granted=True, round=questions[0].round))

    assert {"a", "c"} == asked
    assert Role.PRE_CANDIDATE is cluster["b"].role
    cluster.say("c", "b", PreVoteAnswer(questions[0].term, granted=True, round=questions[0].round))
    assert Role.CANDIDATE is cluster["b"].role


def test_answers_to_an_earlier_round_of_pre_votes_do_not_count() -> None:
    cluster = Cluster()
    for _ in range(2):
        cluster.now += 3.0
        cluster.tick("a")
    first, second = (question.round for question in cluster.sent(PreVote, to="b"))

    cluster.say("b", "a", PreVoteAnswer(2, granted=True, round=first))
    assert Role.PRE_CANDIDATE is cluster["a"].role

    cluster.say("b", "a", PreVoteAnswer(2, granted=True, round=second))
    assert Role.CANDIDATE is cluster["a"].role


def test_the_late_own_vote_of_a_lost_election_is_ignored() -> None:
    """etcd/raft TestLateSelfVote: the write finishes after the term has gone on."""
    cluster = Cluster()
    candidate(cluster)

    cluster.say("b", "a", Append(3, 1, 1, 0))
    cluster.persist("a")

    assert (Role.FOLLOWER, 3) == (cluster["a"].role, cluster["a"].term)
    assert [] == cluster.sent(Vote)


@pytest.mark.parametrize("in_role", [Role.PRE_CANDIDATE, Role.CANDIDATE])
def test_a_candidate_that_hears_the_leader_of_its_term_follows_it(in_role: Role) -> None:
    cluster = Cluster()
    candidate(cluster)
    if in_role is Role.PRE_CANDIDATE:
        cluster.persist("a")
        cluster.now += 3.0
        cluster.tick("a")
    assert in_role is cluster["a"].role

    cluster.say("b", "a", Append(2, 1, 1, 0))

    assert (Role.FOLLOWER, "b") == (cluster["a"].role, cluster["a"].leader_id)


def test_a_refused_candidate_waits_for_another_timeout() -> None:
    cluster = Cluster()
    candidate(cluster)
    cluster.persist("a")

    for voter in "bc":
        cluster.say(voter, "a", VoteAnswer(2, granted=False))

    assert (Role.FOLLOWER, 2) == (cluster["a"].role, cluster["a"].term)


def test_a_long_log_with_a_low_term_and_a_short_log_with_a_high_term_elect_a_leader() -> None:
    """openraft#1796, etcd#10355: neither could win against the other."""
    cluster = Cluster("ab")
    cluster.with_log("a", [1, 1, 1])
    cluster.with_log("b", [1], term=9)

    cluster.wait(10)

    assert "a" == cluster.leader().server_id


def test_two_pre_candidates_do_not_refuse_each_other_for_ever() -> None:
    """etcd#8334, #9586: the remembered leader made both of them refuse."""
    cluster = Cluster()
    cluster.elect("a")
    cluster.crash("a")
    cluster.hosts["b"].dice.value = 0.2
    cluster.hosts["c"].dice.value = 0.3

    cluster.wait(5)

    assert cluster.leader().server_id in "bc"


def test_a_stuck_candidate_is_freed_by_the_leader() -> None:
    """etcd/raft TestFreeStuckCandidateWithCheckQuorum: it deposes the leader once, by its term."""
    cluster = Cluster()
    term = cluster.elect("a").term
    cluster.with_log("c", [], term=term + 3)

    cluster.wait(0.2)
    assert Role.FOLLOWER is cluster["a"].role
    cluster.wait(5)

    assert cluster.leader().term > term + 3


def test_a_removed_server_stands_no_more() -> None:
    """hashicorp/raft#476."""
    cluster = Cluster()
    cluster.elect("a")
    cluster["a"].propose_configuration(cluster.configuration.servers[:2], cluster.now)
    cluster.settle()
    cluster.crash("a")
    cluster.crash("b")

    cluster.wait(10)

    assert Role.FOLLOWER is cluster["c"].role


def test_a_server_without_a_membership_waits() -> None:
    cluster = Cluster(bootstrap=False)

    cluster.wait(10)

    assert {Role.FOLLOWER} == {cluster[s].role for s in "abc"}


def test_time_out_now_counts_only_from_the_leader_of_the_term() -> None:
    """Thesis §3.10; etcd/raft TestLeaderTransferReceiveHigherTermVote."""
    cluster = Cluster(learners="x")
    term = cluster.elect("a").term

    cluster.say("c", "b", TimeoutNow(term))
    cluster.say("a", "b", TimeoutNow(term - 1))
    cluster.say("a", "x", TimeoutNow(term))
    assert {Role.FOLLOWER} == {cluster[s].role for s in "bcx"}

    cluster.say("a", "b", TimeoutNow(term))
    assert Role.CANDIDATE is cluster["b"].role


def test_the_figure_7_logs_converge_to_the_leader_s() -> None:
    """Raft figure 7: followers that lack entries, that have more, or both."""
    logs = {
        "a": [1, 1, 4, 4, 5, 5, 6, 6, 6],
        "b": [1, 1, 4, 4, 5, 5, 6, 6],
        "c": [1, 1, 4],
        "d": [1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        "e": [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        "f": [1, 1, 4, 4, 4, 4],
        "g": [1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    }
    cluster = Cluster("abcdefg")
    for server_id, terms in logs.items():
        cluster.with_log(server_id, terms, term=7)

    leader = cluster.elect("a")
    cluster.settle()

    for server_id in logs:
        same = [cluster[server_id].entry_term(i) for i in range(1, leader.last_index + 1)]
        assert [leader.entry_term(i) for i in range(1, leader.last_index + 1)] == same
        assert leader.last_index == cluster[server_id].last_index


def test_answers_of_another_role_are_ignored() -> None:
    cluster = Cluster()
    leader = cluster.elect("a")

    cluster.say("b", "a", VoteAnswer(leader.term, granted=False))
    cluster.say("b", "a", PreVoteAnswer(leader.term, granted=False, round=1))
    cluster.say("b", "c", AppendAnswer(leader.term, accepted=True, index=1))

    assert Role.LEADER is leader.role


def test_a_new_leader_s_log_prevails_over_uncommitted_entries_of_newer_terms() -> None:
    """etcd/raft TestLeaderElectionOverwriteNewerLogs: its term jumps above all of them."""
    cluster = Cluster("abcde")
    for server_id, terms in {"a": [1], "b": [1], "c": [2], "d": [], "e": []}.items():
        cluster.with_log(server_id, terms, term=2)
    cluster.crash("c")
    cluster.elect("a")
    cluster.restart("c")

    cluster.wait(1)

    assert {2} == {len([t for t in terms_of(cluster, s) if t == 1]) for s in "abcde"}
    assert len({tuple(terms_of(cluster, s)) for s in "abcde"}) == 1


def terms_of(cluster: Cluster, server_id: str) -> list[int | None]:
    raft = cluster[server_id]
    return [raft.entry_term(index) for index in range(1, raft.last_index + 1)]


def test_a_server_that_wakes_up_late_hears_the_leader_before_it_looks_at_the_time() -> None:
    """After a long pause of the process, what waits in the sockets comes first."""
    cluster = Cluster()
    term = cluster.elect("a").term
    cluster.now += 5.0

    cluster["b"].step("a", Heartbeat(term, 0, 9), cluster.now)
    cluster.tick("b")

    assert (Role.FOLLOWER, "a") == (cluster["b"].role, cluster["b"].leader_id)
