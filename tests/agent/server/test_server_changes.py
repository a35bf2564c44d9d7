"""How the log's members follow gossip, and what an operator may not take out."""

import pytest

from agent.server.server_changes import next_change, removal_refusal
from gossip.core.types import Status
from raft.entries import VOTER, Configuration, Server
from tests.agent.server.fleet import address, in_short, members_of, seen


def steps(
    configuration: Configuration, *members, forgotten: str = ""
) -> list[tuple[str, str, str]]:
    """Every change until nothing is left to do: what, whose, and the members after it."""
    found = []
    for _ in range(20):
        plan = next_change(configuration, members, own_id="a", forgotten=forgotten)
        if plan.change is None:
            return found
        configuration = Configuration(tuple(sorted(plan.change.servers, key=lambda s: s.id)))
        found.append((plan.change.why, plan.change.subject, in_short(plan.change.servers)))
    raise AssertionError("the members never agree")


def alive(ids: str) -> list:
    return [seen(i) for i in ids]


def test_nothing_changes_when_log_and_gossip_agree():
    assert [] == steps(members_of("abc"), *alive("abc"))


def test_new_servers_are_added_one_by_one_and_without_a_vote():
    assert [("added", "srv-b", "a+b"), ("added", "srv-c", "a+bc")] == steps(
        members_of("a"), *alive("abc")
    )


@pytest.mark.parametrize("status", [Status.FAILED, Status.LEAVING, Status.LEFT, Status.NONE])
def test_only_a_server_that_is_alive_is_added(status):
    assert [] == steps(members_of("a"), seen("a"), seen("b", status))


@pytest.mark.parametrize("status", [Status.FAILED, Status.LEAVING])
def test_a_server_that_failed_or_is_leaving_stays(status):
    assert [] == steps(members_of("ab"), seen("a"), seen("b", status))


def test_a_server_that_left_is_removed_before_others_are_added():
    assert [("removed", "srv-c", "ab"), ("added", "srv-d", "ab+d")] == steps(
        members_of("abc"), *alive("abd"), seen("c", Status.LEFT)
    )


def test_a_server_that_gossip_gave_up_is_removed():
    assert [("removed", "c", "ab")] == steps(members_of("abc"), *alive("ab"), forgotten="c")


def test_a_server_that_gossip_gave_up_and_knows_again_stays():
    assert [] == steps(members_of("abc"), *alive("abc"), forgotten="c")


def test_a_server_that_gossip_never_knew_stays_for_autopilot_to_judge():
    assert [] == steps(members_of("abc"), *alive("ab"))


def test_the_leader_does_not_remove_itself_nor_the_last_voter():
    assert [] == steps(members_of("ab"), seen("a", Status.LEFT), seen("b"))
    assert [] == steps(members_of("b", "a"), seen("a"), seen("b", Status.LEFT))


def test_a_server_that_moved_keeps_its_vote():
    moved = seen("b", address="10.0.9.9:8300")

    plan = next_change(members_of("ab"), [seen("a"), moved], own_id="a")

    assert Server(VOTER, "b", "10.0.9.9:8300") in plan.change.servers
    assert ("moved", "srv-b") == (plan.change.why, plan.change.subject)


def test_who_took_over_an_address_displaces_who_had_it_in_one_change():
    heir = seen("d", address=address("c"))

    plan = next_change(members_of("abc"), [*alive("ab"), heir], own_id="a")

    assert "ab+d" == in_short(plan.change.servers)


def test_an_address_is_not_taken_over_when_that_costs_the_quorum():
    plan = next_change(members_of("ab"), [seen("a"), seen("d", address=address("b"))], own_id="a")

    assert plan.change is None
    assert "is that of 1 voters" in plan.refused[0]


def test_a_server_in_bootstrap_mode_is_not_added_to_another_one_in_bootstrap_mode():
    first, second = seen("a", bootstrap=True), seen("b", bootstrap=True)

    assert (
        "two servers are in bootstrap mode"
        in (next_change(members_of("a"), [first, second], own_id="a").refused[0])
    )
    assert [("added", "srv-b", "a+b")] == steps(members_of("a"), seen("a"), second)


def test_a_server_that_cannot_be_added_does_not_keep_others_out():
    plan = next_change(
        members_of("a"), [seen("a"), seen("b", raft_version="2"), seen("c")], own_id="a"
    )

    assert "a+c" == in_short(plan.change.servers)
    assert ("srv-b: it speaks protocol '2' of the log, 3 is needed",) == plan.refused


def test_a_server_of_another_cluster_is_not_added():
    plan = next_change(members_of("a"), alive("ab"), own_id="a", strangers={"b"})

    assert plan.change is None
    assert (
        "srv-b: it belongs to another cluster; its data directory must be empty to join",
    ) == plan.refused


def test_nothing_is_changed_in_the_midst_of_a_change_or_without_a_cluster():
    joint = Configuration(members_of("abc").servers, members_of("ade").servers)

    assert [] == steps(joint, seen("f"))
    assert [] == steps(Configuration(), seen("a"))


@pytest.mark.parametrize(
    ("configuration", "members", "victim", "reason"),
    [
        (members_of("abc"), alive("abc"), "b", ""),
        (members_of("abc"), alive("ab"), "c", ""),
        (members_of("abc", "d"), alive("abc"), "d", ""),
        (members_of("a"), alive("a"), "a", "the only voter cannot be removed"),
        (members_of("abc"), alive("ab"), "b", "only 1 of the remaining 2 voters would be alive"),
        # Scaling in while the new servers are not promoted: consul#3472, consul#3151.
        (members_of("a", "bcd"), alive("abcd"), "a", "the only voter cannot be removed"),
        (
            members_of("abc", "xyz"),
            alive("axyz"),
            "a",
            "which is no quorum; wait until autopilot promotes the 3 new servers",
        ),
    ],
)
def test_an_operator_may_not_take_out_who_the_quorum_needs(configuration, members, victim, reason):
    found = removal_refusal(configuration, members, victim)

    assert bool(reason) == bool(found)
    assert reason in found
