"""Vivaldi (Dabek et al., SIGCOMM 2004) with Serf's constants and filters."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.coordinates import (
    ADJUSTMENT_WINDOW,
    HEIGHT_MIN,
    ORIGIN,
    Vivaldi,
    distance_s,
    is_valid,
)
from gossip.core.types import Coordinate
from tests.gossip.core.solo import vector


def client() -> Vivaldi:
    return Vivaldi(Random(1))


def coordinate(*vec: float, error: float = 0.5, adjustment: float = 0.0, height: float = 1e-5):
    return Coordinate((*vec, *[0.0] * (8 - len(vec))), error, adjustment, height)


def of(fields) -> Coordinate:
    return Coordinate(
        tuple(map(float, fields["Vec"])), fields["Error"], fields["Adjustment"], fields["Height"]
    )


def test_updates_follow_serf_step_by_step():
    table = vector("vivaldi_sequence")
    one, other = client(), of(table["other"])

    for step in table["steps"]:
        one.observe("b", other, step["rtt_s"])
        wanted, got = of(step["result"]), one.coordinate
        assert wanted.vec == pytest.approx(got.vec, abs=1e-9)
        assert (wanted.error, wanted.adjustment, wanted.height) == pytest.approx(
            (got.error, got.adjustment, got.height), abs=1e-9
        )


def test_latency_is_the_median_of_the_last_three_of_each_node():
    one = client()

    for node, sample, wanted in vector("latency_filter"):
        assert wanted == one._filtered_s(node, sample)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("other", "round_trip_s"),
    [
        (coordinate(NAN), 0.01),
        (coordinate(INF), 0.01),
        (coordinate(1e308), 0.01),
        (coordinate(error=NAN), 0.01),
        (coordinate(adjustment=INF), 0.01),
        (coordinate(height=INF), 0.01),
        (Coordinate((0.0,) * 7, 1.0, 0.0, 1e-5), 0.01),
        (coordinate(), -0.001),
        (coordinate(), 10.001),
        (coordinate(), NAN),
    ],
)
def test_impossible_samples_change_nothing(other, round_trip_s):
    """consul#3023, serf#468: one bad coordinate infected whole clusters."""
    one = client()
    one.observe("b", other, round_trip_s)

    assert ORIGIN == one.coordinate
    assert {} == one.peers
    assert 1 == one.rejected_count


@pytest.mark.parametrize("round_trip_s", [0.0, 10.0])
def test_extreme_but_possible_samples_are_taken(round_trip_s):
    one = client()
    one.observe("b", coordinate(0.01), round_trip_s)

    assert ["b"] == list(one.peers)
    assert is_valid(one.coordinate)


def test_two_nodes_at_one_place_part_in_a_random_direction():
    one = client()
    one.observe("b", ORIGIN, 0.05)

    assert math.dist(one.coordinate.vec, ORIGIN.vec) > 0.001
    assert HEIGHT_MIN == one.coordinate.height


def test_grid_of_nodes_learns_its_distances():
    """Dabek et al. §4: on a flat network the prediction error becomes small."""
    rng = Random(7)
    places = [(0.01 * (n % 4), 0.01 * (n // 4)) for n in range(16)]
    nodes = [Vivaldi(Random(n)) for n in range(16)]
    for _ in range(300):
        for a in range(16):
            b = rng.randrange(16)
            if a != b:
                round_trip_s = math.dist(places[a], places[b]) + 0.001
                nodes[a].observe(f"n{b}", nodes[b].coordinate, round_trip_s)

    errors = [
        abs(distance_s(nodes[a].coordinate, nodes[b].coordinate) - true_s) / true_s
        for a in range(16)
        for b in range(a)
        for true_s in [math.dist(places[a], places[b]) + 0.001]
    ]
    assert sorted(errors)[len(errors) // 2] < 0.1


def test_distance_ignores_adjustments_that_would_make_it_negative():
    a, b = coordinate(0.01, adjustment=-1.0), coordinate(0.02)

    assert 0.01002 == pytest.approx(distance_s(a, b), abs=1e-9)


def test_distance_is_cut_to_nanoseconds():
    assert 1e-5 * 2 == pytest.approx(distance_s(ORIGIN, ORIGIN), abs=1e-9)
    assert 0 == distance_s(coordinate(1e-12, height=0), coordinate(height=0))


def test_coordinate_that_flies_away_starts_afresh():
    one = client()
    one.coordinate = coordinate(1e9, 1e9, 1e9)
    one.observe("b", coordinate(-1e9, error=0.0), 0.01)

    assert ORIGIN == one.coordinate
    assert 1 == one.reset_count


def test_forgotten_node_leaves_nothing():
    one = client()
    one.observe("b", coordinate(0.01), 0.02)
    one.forget("b")
    one.forget("never")

    assert ({}, {}) == (one.peers, one._samples)


def test_coordinates_can_be_off():
    one = Vivaldi(Random(1), enabled=False)
    one.observe("b", coordinate(0.01), 0.02)

    assert None is one.own()
    assert ORIGIN == one.coordinate


def test_peers_are_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.coordinates.PEERS_MAX", 2)
    one = client()
    for name in "bcd":
        one.observe(name, coordinate(0.01), 0.02)

    assert ["b", "c"] == list(one.peers)


@given(
    st.lists(
        st.tuples(st.lists(st.floats(-10, 10), min_size=8, max_size=8), st.floats(0, 10)),
        max_size=ADJUSTMENT_WINDOW + 5,
    )
)
def test_own_coordinate_is_always_valid(samples):
    one = client()
    for vec, round_trip_s in samples:
        one.observe("b", coordinate(*vec), round_trip_s)

    assert is_valid(one.coordinate)
    assert 0 <= one.coordinate.error <= 1.5
    assert one.coordinate.height >= HEIGHT_MIN
