"""SWIM §4.3: every node is probed once a round, new nodes at a random place of it."""

from random import Random

import pytest

from gossip.core.table import Node, NodeTable
from gossip.core.types import State
from tests.gossip.core.solo import VERSIONS, address


def table(count: int, seed: int = 1) -> NodeTable:
    one = NodeTable(Random(seed))
    for number in range(count):
        add(one, f"n{number}")
    return one


def add(one: NodeTable, name: str, state: State = State.ALIVE) -> Node:
    node = Node(name, address(1), b"", VERSIONS, 1, State.DEAD, 0.0, {})
    one.add(node)
    if state is not State.DEAD:
        one.set_state(node, state, 0.0)
    return node


def targets(one: NodeTable, count: int, now: float = 0.0) -> list[str]:
    found = [one.next_target("n0", now - 30.0) for _ in range(count)]
    return [node.name for node in found if node is not None]


def test_each_round_visits_every_other_node_once():
    one = table(6)
    others = sorted(f"n{number}" for number in range(1, 6))

    for _ in range(5):
        assert others == sorted(targets(one, 5))


def test_rounds_have_different_orders():
    one = table(20)

    assert targets(one, 19) != targets(one, 19)


def test_gone_nodes_are_not_probed():
    one = table(4)
    one.set_state(one.get("n1"), State.DEAD, 0.0)
    one.set_state(one.get("n2"), State.LEFT, 0.0)

    assert ["n3"] * 3 == targets(one, 3)


def test_alone_there_is_nobody_to_probe():
    assert None is table(1).next_target("n0", 0.0)
    assert None is table(0).next_target("n0", 0.0)


@pytest.mark.parametrize("state", [State.DEAD, State.LEFT])
def test_gone_nodes_vanish_at_the_end_of_a_round_after_their_time(state):
    """hashicorp/memberlist#106 and #253: neither too early nor never."""
    one = table(3)
    one.set_state(one.get("n1"), state, 100.0)

    targets(one, 6, now=129.0)
    assert 3 == len(one)

    targets(one, 6, now=131.0)
    assert 2 == len(one)
    assert None is one.get("n1")


def test_we_never_forget_ourselves():
    one = table(2)
    one.set_state(one.get("n0"), State.LEFT, 0.0)

    targets(one, 4, now=1000.0)

    assert one.get("n0") is not None


def test_alive_count_follows_the_states():
    one = table(3)
    node = one.get("n1")
    counts = []
    for state in (State.SUSPECT, State.DEAD, State.LEFT, State.ALIVE):
        one.set_state(node, state, 0.0)
        counts.append(one.alive_count)

    assert [3, 2, 2, 3] == counts


def test_snapshot_holds_every_node_whatever_its_state():
    one = table(3)
    one.set_state(one.get("n1"), State.DEAD, 0.0)

    assert {"n0": State.ALIVE, "n1": State.DEAD, "n2": State.ALIVE} == {
        node.name: node.state for node in one.snapshot()
    }


def test_new_node_is_placed_at_random():
    places = set()
    for seed in range(40):
        one = table(5, seed)
        add(one, "new")
        places.add([node.name for node in one.nodes].index("new"))

    assert set(range(6)) == places
