from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import Balance, Endpoint, Outlier
from proxy.core.backend import Backend
from proxy.core.group import Group

NOBODY: frozenset[str] = frozenset()
EAGER = Outlier(failures_max=1, ejected_percent_max=100.0, ejection_s=30.0)
POLICIES = [
    "round_robin",
    "weighted",
    "random",
    "least_request",
    "ring_hash",
    "maglev",
    "peak_ewma",
]


def backends_of(count: int) -> list[Backend]:
    return [Backend(Endpoint(id=str(number)), 0.0) for number in range(count)]


def group_of(backends: list[Backend], policy: str = "round_robin") -> Group:
    return Group(Balance(policy=policy), backends, Random(1).random, 1024)


def picked(group: Group, now_s: float = 0.0, *, avoid: frozenset[str] = NOBODY) -> set[str]:
    found = (group.pick(now_s, None, avoid) for _ in range(50))
    return {backend.endpoint.id for backend in found if backend is not None}


def test_empty_group_has_nobody() -> None:
    assert group_of([]).pick(0.0, None, NOBODY) is None
    assert group_of([], "maglev").pick(0.0, 5, NOBODY) is None


def test_ejected_endpoint_is_passed_over_until_its_time_is_over() -> None:
    backends = backends_of(3)
    group = group_of(backends)
    picked(group)

    assert group.eject(backends[1], EAGER, 0.0)
    group.outdate()

    assert {"0", "2"} == picked(group, 29.9)
    assert {"0", "1", "2"} == picked(group, 30.0)


def test_nobody_is_picked_while_all_are_ejected() -> None:
    backends = backends_of(2)
    group = group_of(backends)

    assert all([group.eject(backend, EAGER, 0.0) for backend in backends])

    assert set() == picked(group)
    assert {"0", "1"} == picked(group, 30.0)


def test_only_so_many_are_ejected_and_none_twice() -> None:
    backends = backends_of(4)
    group = group_of(backends)
    outlier = Outlier(ejected_percent_max=50.0)

    ejected = [group.eject(backend, outlier, 0.0) for backend in [backends[0], *backends]]

    assert [True, False, True, False, False] == ejected


@pytest.mark.parametrize("policy", POLICIES)
@given(
    away=st.sets(st.integers(0, 5)),
    avoid=st.sets(st.integers(0, 5)),
    hashed=st.none() | st.integers(0, 2**64 - 1),
)
def test_whoever_is_left_is_picked_and_never_one_ejected_or_avoided(
    policy: str, away: set[int], avoid: set[int], hashed: int | None
) -> None:
    backends = backends_of(6)
    group = group_of(backends, policy)
    for number in away:
        group.eject(backends[number], EAGER, 0.0)
    left = {str(number) for number in range(6)} - {str(number) for number in away | avoid}

    backend = group.pick(0.0, hashed, frozenset(map(str, avoid)))

    assert (backend.endpoint.id in left) if left else (backend is None)


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_hash_leads_to_one_endpoint_and_no_hash_to_all(policy: str) -> None:
    group = group_of(backends_of(5), policy)

    assert 1 == len({group.pick(0.0, 12345, NOBODY) for _ in range(20)})
    assert 5 == len(picked(group))


def test_hash_means_nothing_to_other_policies() -> None:
    group = group_of(backends_of(2))

    assert 2 == len({group.pick(0.0, 12345, NOBODY) for _ in range(4)})


def test_rotation_goes_on_in_a_group_that_did_not_change() -> None:
    backends = backends_of(3)
    group = group_of(backends)
    picks: Counter[str] = Counter()

    for _ in range(30):
        follower = group_of(backends)
        follower.inherit(group)
        group = follower
        backend = group.pick(0.0, None, NOBODY)
        assert backend is not None
        picks[backend.endpoint.id] += 1

    assert {"0": 10, "1": 10, "2": 10} == picks


def test_changed_group_makes_a_balancer_of_its_own() -> None:
    backends = backends_of(3)
    group = group_of(backends[:2])
    picked(group)

    for follower in (group_of(backends), group_of(backends[:2], "random")):
        follower.inherit(group)
        assert {each.endpoint.id for each in follower._backends} == picked(follower)


def test_new_weight_is_not_missed_though_the_backend_is_the_same() -> None:
    backends = backends_of(2)
    group = group_of(backends)
    picked(group)
    backends[0].change(Endpoint(id="0", weight=9))

    follower = group_of(backends)
    follower.inherit(group)

    found = [follower.pick(0.0, None, NOBODY) for _ in range(100)]
    assert found.count(backends[0]) in {89, 90, 91}
