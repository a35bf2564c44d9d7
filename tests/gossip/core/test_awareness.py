from gossip.core.awareness import Awareness


def test_score_stays_within_zero_and_the_multiplier_less_one():
    """Lifeguard, arXiv:1707.00788: the local health multiplier saturates."""
    awareness = Awareness(8)

    awareness.add(-1)
    assert 0 == awareness.score

    awareness.add(20)
    assert 7 == awareness.score


def test_interval_is_stretched_by_the_score():
    awareness = Awareness(8)
    assert 1.0 == awareness.scaled_s(1.0)

    awareness.add(2)
    assert 3.0 == awareness.scaled_s(1.0)
