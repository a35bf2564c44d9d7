"""What a server does before its goodbye and after it."""

import pytest

from agent.server.departure import (
    REMOVAL_WAIT_S,
    VOTER_WAIT_S,
    AwaitVoter,
    Departure,
    GiveTo,
    Go,
    next_step,
)
from gossip.core.types import Status
from raft.errors import MembershipBusy
from tests.agent.server.fleet import Log, in_short, members_of, seen


def alive(ids: str) -> list:
    return [seen(i) for i in ids]


@pytest.mark.parametrize(
    ("configuration", "members", "step"),
    [
        (members_of("a"), alive("a"), Go()),
        (members_of("abc"), alive("abc"), GiveTo(("b", "c"))),
        (members_of("abc"), [*alive("ac"), seen("b", Status.LEAVING)], GiveTo(("c",))),
        (members_of("abc", "d"), [*alive("ad"), seen("b", Status.FAILED)], AwaitVoter(("srv-d",))),
        (members_of("a", "bc"), alive("abc"), AwaitVoter(("srv-b", "srv-c"))),
    ],
)
def test_a_leader_gives_the_leadership_to_a_voter_that_is_alive(configuration, members, step):
    assert step == next_step(configuration, members, own_id="a", is_leader=True)


@pytest.mark.parametrize("others", [alive("a"), [seen("b", read_replica=True)]])
def test_a_leader_without_anybody_to_follow_it_goes_with_a_warning(others):
    step = next_step(members_of("a", "b"), others, own_id="a", is_leader=True)

    assert isinstance(step, Go)
    assert "there will be no leader" in step.warning


def test_a_follower_has_nothing_to_hand_over():
    assert Go() == next_step(members_of("ab"), alive("ab"), own_id="a", is_leader=False)


class Leaving:
    """Server a leaves; each pause is over at once, and ``at(seconds)`` happens in it."""

    def __init__(self, log: Log, members: list) -> None:
        self.log = log
        self.now_s = 0.0
        self.events: list[tuple[float, object]] = []
        self.departure = Departure(
            "a",
            members=lambda: members,
            consensus=log,
            now_s=lambda: self.now_s,
            sleep=self.pause,
        )

    def at(self, time_s: float, event: object) -> None:
        self.events.append((time_s, event))

    async def pause(self, span_s: float) -> None:
        self.now_s += span_s
        for entry in [e for e in self.events if e[0] <= self.now_s]:
            self.events.remove(entry)
            entry[1]()


async def test_a_leader_hands_over_and_waits_until_the_next_one_removed_it():
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.at(1.0, lambda: setattr(leaving.log, "configuration", members_of("bc")))

    await leaving.departure.hand_over()
    await leaving.departure.until_removed()

    assert ["b"] == leaving.log.transferred
    assert 1.0 == pytest.approx(leaving.now_s)


async def test_a_leader_tries_the_next_voter_when_one_does_not_win():
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.log.unfit_heirs = "b"

    await leaving.departure.hand_over()

    assert (["b", "c"], []) == (leaving.log.transferred, leaving.log.proposed)


@pytest.mark.parametrize("refusals", [[], [MembershipBusy("a change is under way")]])
async def test_a_leader_that_nobody_relieves_takes_itself_out(refusals):
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.log.unfit_heirs, leaving.log.refusals = "bc", refusals
    is_refused = bool(refusals)

    await leaving.departure.hand_over()

    assert ("abc" if is_refused else "bc") == in_short(leaving.log.configuration.servers)


async def test_a_leader_waits_for_a_new_server_to_get_its_vote():
    """consul#3472, consul#3151."""
    leaving = Leaving(Log("a", members_of("a", "bc")), alive("abc"))
    leaving.at(4.0, lambda: setattr(leaving.log, "configuration", members_of("ac", "b")))

    await leaving.departure.hand_over()

    assert (["c"], 4.0) == (leaving.log.transferred, leaving.now_s)


async def test_a_leader_waits_for_a_vote_not_for_ever():
    leaving = Leaving(Log("a", members_of("a", "b")), alive("ab"))

    await leaving.departure.hand_over()

    assert ([], VOTER_WAIT_S) == (leaving.log.transferred, leaving.now_s)


@pytest.mark.parametrize("configuration", [members_of("a"), members_of("bc")])
async def test_who_is_alone_or_out_leaves_at_once(configuration):
    leaving = Leaving(Log("a", configuration), alive("a"))

    await leaving.departure.hand_over()
    await leaving.departure.until_removed()

    assert 0.0 == leaving.now_s


async def test_a_follower_waits_for_its_removal_not_for_ever():
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.log.leader_id = "b"

    await leaving.departure.until_removed()

    assert REMOVAL_WAIT_S == pytest.approx(leaving.now_s, abs=0.1)


async def test_who_is_made_the_leader_while_it_leaves_hands_over_again():
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.log.leader_id = "b"
    leaving.at(2.0, lambda: setattr(leaving.log, "leader_id", "a"))
    leaving.at(3.0, lambda: setattr(leaving.log, "configuration", members_of("bc")))

    await leaving.departure.hand_over()
    await leaving.departure.until_removed()

    assert ["b"] == leaving.log.transferred
    assert 3.0 == pytest.approx(leaving.now_s, abs=0.1)


async def test_a_leader_that_nothing_relieves_leaves_in_the_end():
    leaving = Leaving(Log("a", members_of("abc")), alive("abc"))
    leaving.log.unfit_heirs = "bc"
    leaving.log.refusals = [MembershipBusy("a change is under way") for _ in range(1000)]

    await leaving.departure.until_removed()

    assert VOTER_WAIT_S + REMOVAL_WAIT_S == pytest.approx(leaving.now_s, abs=0.1)


async def test_a_leader_without_anybody_to_follow_it_does_not_wait():
    leaving = Leaving(Log("a", members_of("ab")), alive("a"))

    await leaving.departure.until_removed()

    assert 0.0 == leaving.now_s
