import pytest

from raft.core.membership import Membership, is_valid, next_configuration
from raft.core.quorum import Voters
from raft.entries import Configuration, Server


def server(server_id: str, suffrage: int = 0, address: str = "") -> Server:
    return Server(suffrage, server_id, address)


def simple(ids: str) -> Configuration:
    return Configuration(tuple(map(server, ids)))


def test_a_configuration_counts_as_soon_as_it_is_in_the_log() -> None:
    """Raft §6: a server always uses the latest configuration in its log."""
    membership = Membership(1, simple("abc"))

    membership.append(5, simple("abcd"))

    assert Voters(tuple("abcd")) == membership.voters
    assert (simple("abc"), 1) == membership.at(4)
    assert (simple("abcd"), 5) == membership.at(5)


def test_a_configuration_that_is_cut_off_counts_no_more() -> None:
    membership = Membership(1, simple("abc"))
    membership.append(5, simple("abcd"))

    membership.truncate(4)

    assert (1, Voters(tuple("abc"))) == (membership.index, membership.voters)


def test_those_before_the_applied_one_are_forgotten() -> None:
    membership = Membership(1, simple("abc"))
    membership.append(5, simple("abcd"))
    membership.append(9, simple("abcde"))

    membership.settle(6)

    assert (simple("abcd"), 5) == membership.at(2)
    assert 1 == membership.uncommitted_count(8)


def test_a_voter_more_or_less_is_one_step() -> None:
    present = simple("abc")

    for wanted in ("abcd", "ab", "abc"):
        assert simple(wanted) == next_configuration(present, simple(wanted).servers)


def test_more_than_one_voter_is_a_joint_step() -> None:
    """Raft §6: majorities of memberships that differ by two need not overlap."""
    step = next_configuration(simple("abc"), simple("abd").servers)

    assert Configuration(simple("abd").servers, simple("abc").servers) == step


def test_learners_and_addresses_are_free() -> None:
    wanted = (server("a", address="elsewhere:1"), server("b"), server("x", 1), server("y", 1))

    assert Configuration(wanted) == next_configuration(simple("ab"), wanted)


def test_a_voter_that_is_demoted_in_a_joint_step_votes_until_it_is_left() -> None:
    """etcd/raft: learners_next."""
    step = next_configuration(simple("abc"), (server("a"), server("b", 1), server("c", 1)))
    membership = Membership(1, step)

    assert Voters(("a",), ("a", "b", "c")) == membership.voters


@pytest.mark.parametrize(
    "servers", [(), (server("a", 1),), (server("a"), server("a")), (server(""),)]
)
def test_a_membership_without_a_voter_or_with_an_id_twice_is_not_valid(
    servers: tuple[Server, ...],
) -> None:
    assert not is_valid(servers)


def test_who_is_removed_by_an_uncommitted_entry_may_still_lead() -> None:
    """Thesis §4.2.2: it may be the only one that can get the entry committed."""
    membership = Membership(1, simple("ab"))
    membership.append(7, simple("b"))

    assert membership.may_lead("a", 6)
    assert not membership.may_lead("a", 7)
    assert not membership.may_lead("x", 6)
