from gossip.core.effects import Warn
from tests.gossip.core.solo import surroundings


def test_effects_are_taken_once_and_in_order():
    around = surroundings()
    around.warn("first", node="b")
    around.warn("second", detail="why")

    assert [Warn("first", "b", ""), Warn("second", "", "why")] == around.take_effects()
    assert [] == around.take_effects()


def test_streams_have_names_of_their_own():
    around = surroundings()

    assert around.next_stream() != around.next_stream()
