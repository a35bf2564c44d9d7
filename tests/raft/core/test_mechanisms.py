from raft.core.mechanisms import Mechanisms
from raft.core.settings import Settings
from raft.core.state import State
from raft.core.types import Restart
from tests.raft.core.cluster import Dice


def test_peers_are_known_before_they_are_sent_a_heartbeat() -> None:
    parts = Mechanisms(State("a", Settings(), Dice("a"), 0.0, Restart()))

    order = parts.roles.duties
    assert order.index(parts.peers) < order.index(parts.heartbeats)
    assert {parts.transfer, parts.reads} < set(order)
