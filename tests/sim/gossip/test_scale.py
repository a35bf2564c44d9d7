"""Speed and cost of larger pools, within what the papers and memberlist's numbers promise."""

import pytest

from gossip.core.suspicion import suspicion_min_s
from tests.sim.gossip.scale import dissemination_s, measure


def test_dissemination_formula_grows_with_the_logarithm():
    assert 0.485 == pytest.approx(dissemination_s(10, 3, 0.2), abs=0.001)
    assert 3 * dissemination_s(10, 3, 0.2) == pytest.approx(dissemination_s(1000, 3, 0.2))


@pytest.mark.parametrize("node_count", [10, 50])
def test_quiet_pool_costs_one_probe_a_second_whatever_its_size(node_count):
    seen = measure(node_count, seed=3)

    assert 2.0 == pytest.approx(seen.packets_node_s, abs=0.05)
    # 267 bytes with headers is what Serf 0.9.4 was measured to send at 5 to 50 nodes.
    assert 267 == pytest.approx(seen.bytes_node_s, rel=0.02)


def test_pool_of_200_with_loss_and_stalls_detects_in_time_and_accuses_nobody_falsely():
    seen = measure(200, seed=1, loss=0.01, slow=0.05)

    assert 0 == seen.false_failures
    assert 200 == seen.event_reached
    assert seen.event_last_s < 2 * seen.event_formula_s
    assert 199 == seen.detection_seen_by
    assert suspicion_min_s(4, 200, 1.0) < seen.detection_first_s
    assert seen.detection_last_s < 1.5 * seen.detection_formula_s
