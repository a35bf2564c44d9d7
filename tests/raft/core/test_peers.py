import math

from raft.core.peers import Peers
from raft.core.progress import Progress
from raft.core.settings import Settings
from raft.core.state import State
from raft.core.types import Restart
from raft.entries import Configuration, Entry, Kind, Server, encode_configuration
from tests.raft.core.cluster import Dice


def peers_of(*servers: Server) -> tuple[State, Peers]:
    payload = encode_configuration(Configuration(servers))
    restart = Restart(entries=[Entry(1, 1, Kind.CONFIGURATION, payload)])
    state = State("a", Settings(), Dice("a"), 5.0, restart)
    state.own_term_index = 2
    peers = Peers(state)
    peers.begin()
    return state, peers


def test_every_other_member_is_followed_from_before_the_no_op_and_counts_as_active() -> None:
    _, peers = peers_of(Server(0, "a", ""), Server(0, "b", ""), Server(1, "x", ""))

    assert {"b": (2, 5.0), "x": (2, 5.0)} == {
        peer_id: (progress.next_index, progress.contact_at)
        for peer_id, progress in peers.progress.items()
    }


def test_learners_and_strangers_are_no_part_of_a_quorum() -> None:
    _, peers = peers_of(Server(0, "a", ""), Server(0, "b", ""), Server(1, "x", ""))
    peers.progress["x"].match_index = 9
    peers.progress["stranger"] = Progress(1, 0.0)

    assert 0 == peers.reached(7, lambda progress: progress.match_index)


def test_a_lone_server_is_its_own_quorum() -> None:
    _, peers = peers_of(Server(0, "a", ""))

    assert 7 == peers.reached(7, lambda _: -math.inf)


def test_removed_peers_are_followed_until_they_are_dropped() -> None:
    state, peers = peers_of(Server(0, "a", ""), Server(0, "b", ""))
    state.membership.append(2, Configuration((Server(0, "a", ""), Server(0, "c", ""))))

    peers.follow_membership()
    assert {"b", "c"} == set(peers.progress)

    peers.drop_removed()
    assert {"c"} == set(peers.progress)


def test_nothing_is_left_of_a_leadership_that_ended() -> None:
    _, peers = peers_of(Server(0, "a", ""), Server(0, "b", ""))

    peers.end()

    assert {} == peers.progress
