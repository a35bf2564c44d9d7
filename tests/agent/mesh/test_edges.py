import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.mesh.edges import EDGES_MAX, INSTANCES_MAX, SLOT_S, WINDOW_S, Edges, percentile_ms
from proxy.edge_counts import BUCKETS_MS
from proxy.messages import Edge, EdgeCounts, Instance, Report

EDGE = Edge(proxy="web", direction="outbound", source="web", destination="api", protocol="http")


def report(**fields: object) -> Report:
    counts = EdgeCounts(edge=EDGE)
    return Report(at_s=0.0, edges=(msgspec.structs.replace(counts, **fields),))


def latencies(**buckets: int) -> tuple[int, ...]:
    return tuple(buckets.get(f"b{number}", 0) for number in range(len(BUCKETS_MS) + 1))


def test_reports_add_up() -> None:
    edges = Edges()
    for _ in range(3):
        edges.take(1, report(requests=2, classes={"2xx": 1, "5xx": 1}, bytes_sent=10), 100.0)

    ((edge, totals),) = edges.totals()

    assert (EDGE, 6, {"2xx": 3, "5xx": 3}, 30) == (
        edge,
        totals.requests,
        totals.classes,
        totals.bytes_sent,
    )


def test_rates_are_of_the_last_minute() -> None:
    edges = Edges()
    edges.take(1, report(requests=1000), 10.0)
    for second in range(100, 110):
        edges.take(1, report(requests=50, classes={"2xx": 25, "reset": 25}), float(second))

    (rates,) = edges.rates(109.0)

    assert (50.0, 0.5) == (rates.requests_per_s, rates.failed_share)
    assert [] == edges.rates(109.0 + WINDOW_S)


def test_a_minute_is_kept_in_slots() -> None:
    edges = Edges()
    for second in range(1000):
        edges.take(1, report(requests=1), float(second))

    (seen,) = edges._seen.values()

    assert len(seen.recent) <= WINDOW_S / SLOT_S + 1
    (rates,) = edges.rates(999.0)
    assert abs(rates.requests_per_s - 1.0) < 0.02


def test_open_connections_of_all_workers_count_until_a_worker_is_lost() -> None:
    edges = Edges()
    edges.take(1, report(connections_open=3), 100.0)
    edges.take(2, report(connections_open=4), 100.0)
    assert 7 == edges.rates(100.0)[0].connections_open

    edges.lost(1)

    assert 4 == edges.rates(500.0)[0].connections_open


def test_the_edge_that_was_idle_longest_makes_room() -> None:
    edges = Edges()
    for number in range(EDGES_MAX + 5):
        counts = EdgeCounts(edge=msgspec.structs.replace(EDGE, source=f"s{number}"), requests=1)
        edges.take(1, Report(at_s=0.0, edges=(counts,)), 100.0)

    totals = edges.totals()

    assert EDGES_MAX == len(totals)
    assert "s5" == totals[0][0].source


def test_handshakes_that_failed_add_up() -> None:
    edges = Edges()
    for _ in range(2):
        failed = Report(at_s=0.0, handshake_failures={"web": {"expired": 2}})
        edges.take(1, failed, 100.0)

    assert {"web": {"expired": 4}} == edges.handshake_failures


def test_a_percentile_lies_in_its_bucket() -> None:
    assert 0.0 == percentile_ms([0] * (len(BUCKETS_MS) + 1), 0.5)
    assert BUCKETS_MS[0] / 2 == percentile_ms(list(latencies(b0=10)), 0.5)
    assert BUCKETS_MS[-1] == percentile_ms([0] * len(BUCKETS_MS) + [1], 0.99)


@given(st.lists(st.integers(0, 50), min_size=len(BUCKETS_MS) + 1, max_size=len(BUCKETS_MS) + 1))
def test_percentiles_grow_with_their_share(counts: list[int]) -> None:
    assert percentile_ms(counts, 0.5) <= percentile_ms(counts, 0.9) <= percentile_ms(counts, 0.99)


def test_edges_between_two_services_are_one() -> None:
    edges = Edges()
    for proxy, route in (("a", "x"), ("a", "y"), ("b", "x")):
        edge = msgspec.structs.replace(EDGE, proxy=proxy, route=route)
        counts = EdgeCounts(edge=edge, requests=2, classes={"2xx": 1, "5xx": 1}, connections_open=1)
        edges.take(1, Report(at_s=0.0, edges=(counts,)), 100.0)

    rates = edges.between("web", "api", "outbound", 100.0)

    assert rates is not None
    assert (6.0, 0.5, 3) == (rates.requests_per_s, rates.failed_share, rates.connections_open)
    assert edges.between("web", "api", "inbound", 100.0) is None
    assert edges.between("web", "other", "outbound", 100.0) is None


def test_instances_are_remembered_and_at_rest_when_they_are_told_no_more() -> None:
    edges = Edges()
    busy = Instance(proxy="p", cluster="c", endpoint="e", ejected=True, active=3, latency_ms=1.5)
    edges.take(1, Report(at_s=0.0, instances=(busy,)), 0.0)
    assert {("p", "c", "e"): busy} == edges.instances()

    edges.take(1, Report(at_s=0.0), 1.0)

    rests = msgspec.structs.replace(busy, ejected=False, active=0)
    assert {("p", "c", "e"): rests} == edges.instances()
    edges.lost(1)
    assert {} == edges.instances()


def test_instances_that_were_used_last_stay() -> None:
    edges = Edges()
    used = tuple(
        Instance(proxy="p", cluster="c", endpoint=f"e{number}")
        for number in range(INSTANCES_MAX + 5)
    )
    edges.take(1, Report(at_s=0.0, instances=used), 0.0)

    known = edges.instances()

    assert INSTANCES_MAX == len(known)
    assert ("p", "c", "e4") not in known
