from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import Balance, Endpoint
from proxy.core.backend import Backend
from proxy.core.balance import Balancer, make_balancer

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=8)
SEEDS = st.integers(0, 2**32)
POLICIES = [
    "round_robin",
    "weighted",
    "random",
    "least_request",
    "ring_hash",
    "maglev",
    "peak_ewma",
]


def backends_of(weights: list[int], rtts_s: list[float] | None = None) -> list[Backend]:
    return [
        Backend(Endpoint(id=str(number), weight=weight, rtt_s=(rtts_s or [0.0] * 99)[number]), 0.0)
        for number, weight in enumerate(weights)
    ]


def balancer_of(
    balance: Balance, usable: list[Backend], seed: int = 1, open_max: int = 1024
) -> Balancer:
    return make_balancer(balance, usable, Random(seed).random, open_max=open_max)


def counted(balancer: Balancer, picks: int) -> Counter[str]:
    return Counter(balancer.pick(0.0).endpoint.id for _ in range(picks))


@pytest.mark.parametrize("policy", ["round_robin", "weighted"])
@given(weights=WEIGHTS, rounds=st.integers(1, 5), seed=SEEDS)
def test_rotation_is_fair_to_one_pick(
    policy: str, weights: list[int], rounds: int, seed: int
) -> None:
    balancer = balancer_of(Balance(policy=policy), backends_of(weights), seed)

    picked = counted(balancer, rounds * sum(weights))

    for number, weight in enumerate(weights):
        assert abs(picked[str(number)] - rounds * weight) <= 1


def test_weighted_rotation_is_smooth() -> None:
    balancer = balancer_of(Balance(), backends_of([5, 1, 1]))

    picks = [balancer.pick(0.0).endpoint.id for _ in range(70)]

    gaps = "".join(picks).replace("0", " ").split()
    assert max(map(len, gaps)) <= 2
    assert 48 <= picks.count("0") <= 52


@pytest.mark.parametrize("policy", ["random", "ring_hash", "maglev", "least_request", "peak_ewma"])
def test_draws_follow_weights_while_endpoints_are_alike(policy: str) -> None:
    backends = backends_of([1, 3, 6])
    balancer = balancer_of(Balance(policy=policy, choice_count=1), backends)
    if policy == "peak_ewma":  # costs go by weight too: make them equal
        for backend in backends:
            backend.observe(backend.weight * 1.0, 0.0, failed=False)

    picked = counted(balancer, 6000)

    for number, share in enumerate([0.1, 0.3, 0.6]):
        assert picked[str(number)] / 6000 == pytest.approx(share, abs=0.05)


@given(WEIGHTS, st.sampled_from(POLICIES), SEEDS)
def test_everyone_usable_is_picked_and_nobody_else(
    weights: list[int], policy: str, seed: int
) -> None:
    backends = backends_of(weights)
    balancer = balancer_of(Balance(policy=policy), backends, seed)

    assert {balancer.pick(0.0).endpoint.id for _ in range(50)} <= {
        backend.endpoint.id for backend in backends
    }


def test_draw_of_the_largest_number_is_the_last_endpoint() -> None:
    backends = backends_of([128] * 7)
    balancer = make_balancer(Balance(policy="random"), backends, lambda: 1.0, open_max=1)

    assert "6" == balancer.pick(0.0).endpoint.id


def test_least_request_prefers_the_idle_one() -> None:
    backends = backends_of([1, 1])
    backends[0].active = 5
    balancer = balancer_of(Balance(policy="least_request"), backends)

    picked = counted(balancer, 400)

    assert picked["1"] > 250  # the other one only where both draws are of it


def test_more_choices_find_the_idle_one_more_often() -> None:
    backends = backends_of([1] * 10)
    for backend in backends[1:]:
        backend.active = 1

    picked = [
        counted(balancer_of(Balance(policy="least_request", choice_count=count), backends), 1000)[
            "0"
        ]
        for count in (2, 8)
    ]

    assert picked[0] < 300 < picked[1]


def test_least_request_compares_by_weight() -> None:
    light, heavy = backends = backends_of([1, 10])
    light.active, heavy.active = 1, 5
    balancer = balancer_of(Balance(policy="least_request"), backends)

    assert counted(balancer, 400)["1"] > 380


def test_peak_ewma_avoids_the_slow_one_until_it_is_forgotten() -> None:
    slow, fast = backends = backends_of([1, 1])
    slow.observe(1.0, 0.0, failed=False)
    balancer = balancer_of(Balance(policy="peak_ewma"), backends)

    at_once = counted(balancer, 400)
    for second in range(1, 60):
        fast.observe(0.03, float(second), failed=False)
    later = Counter(balancer.pick(60.0).endpoint.id for _ in range(400))

    assert at_once["0"] < 150
    assert later["0"] > 250


def test_peak_ewma_weighs_latency_against_open_requests() -> None:
    near, far = backends = backends_of([1, 1], [0.01, 0.02])
    balancer = balancer_of(Balance(policy="peak_ewma"), backends)

    near.active = 3

    assert counted(balancer, 400)["1"] > 250
    assert far.cost(0.0) < near.cost(0.0)


# Near endpoints first.


def test_near_endpoints_are_preferred_while_they_have_room() -> None:
    backends = backends_of([1] * 4, [0.002, 0.003, 0.030, 0.0])
    balancer = balancer_of(Balance(local=True), backends, open_max=40)

    assert {"0", "1"} == set(counted(balancer, 100))
    backends[0].active = backends[1].active = 10
    assert {"0", "1", "2", "3"} == set(counted(balancer, 100))


def test_one_site_is_near_altogether() -> None:
    balancer = balancer_of(Balance(local=True), backends_of([1] * 3, [0.0001, 0.0009, 0.0004]))

    assert {"0", "1", "2"} == set(counted(balancer, 30))


def test_without_distances_nobody_is_near() -> None:
    assert {"0", "1"} == set(counted(balancer_of(Balance(local=True), backends_of([1, 1])), 10))


def test_distances_do_not_matter_if_not_asked_for() -> None:
    balancer = balancer_of(Balance(), backends_of([1, 1], [0.001, 1.0]))

    assert {"0", "1"} == set(counted(balancer, 10))
