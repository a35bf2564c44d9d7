"""The pure parts of the mesh benchmark; the benchmark itself is no test."""

import pytest

from tests.bench.mesh_measure import Added, Seen, latency_result, less, rate_results
from tests.bench.mesh_world import (
    Authority,
    World,
    back_config,
    envoy_back,
    envoy_front,
    front_config,
)
from tests.bench.raft_load import Load

MEBIBYTE = 1024 * 1024


def seen(rate: float, resident_mebibytes: int = 40) -> Seen:
    load = Load(rate=rate, p50_ms=1.0, p99_ms=2.0)
    return Seen(load=load, cpu_us=100.0, resident_bytes=resident_mebibytes * MEBIBYTE)


def test_a_rate_is_compared_with_envoys_in_the_same_round():
    ours, envoys = [seen(900), seen(3000), seen(2200)], [seen(1000), seen(2000), seen(2000)]

    rate, ratio, memory = rate_results("L4", ours, envoys)

    assert (2200, 1.1, 40) == (rate.value, ratio.value, memory.value)
    assert ratio.met
    assert memory.met


def test_a_rate_below_envoys_or_a_large_worker_is_a_miss():
    _, ratio, memory = rate_results("L4", [seen(999, 61)], [seen(1000)])

    assert (False, False) == (ratio.met, memory.met)


def test_added_latency_is_what_the_direct_way_does_not_take():
    assert Added(p50_ms=0.75, p99_ms=0.0) == less(
        Added(p50_ms=1.0, p99_ms=2.0), Added(p50_ms=0.25, p99_ms=3.0)
    )


@pytest.mark.parametrize(("ours_ms", "met"), [(0.4, True), (0.6, False)])
def test_added_latency_may_not_exceed_envoys(ours_ms: float, met: bool):
    ours = [Added(p50_ms=ours_ms, p99_ms=9.0)]

    result = latency_result("L4", "p50_ms", ours, [Added(p50_ms=0.5, p99_ms=1.0)])

    assert met == result.met


def test_both_pairs_are_told_the_same_world():
    authority = Authority()
    world = World(
        front=authority.leaf("front"),
        back=authority.leaf("back"),
        root_pem=authority.root_pem,
        backend_port=1,
        upstream_port=2,
        public_port=3,
    )

    assert (2, 3) == (front_config(world).listeners[0].port, back_config(world).listeners[0].port)
    for bootstrap, port in ((envoy_front(world), 2), (envoy_back(world), 3)):
        at = bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]
        assert port == at["port_value"]
