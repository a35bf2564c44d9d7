from agent.mesh.edge_metrics import COUNTERS, EDGES_SHOWN_MAX, EdgeMetrics
from agent.mesh.edges import SUMMED, Edges, Totals
from agent.telemetry.metrics import Metrics, Series
from proxy.edge_counts import BUCKETS_MS
from proxy.messages import Edge, EdgeCounts, Report

LATENCIES = (1, 2, *([0] * (len(BUCKETS_MS) - 1)))


def edge(**names: str) -> Edge:
    usual = {
        "proxy": "web-proxy",
        "direction": "outbound",
        "source": "web",
        "destination": "api",
        "route": "api",
        "cluster": "api.default.dc1",
    }
    return Edge(**usual | names)


def report(*counts: EdgeCounts, **fields: object) -> Report:
    return Report(at_s=0.0, edges=counts, **fields)  # type: ignore[arg-type] # as named


def series(metrics: Metrics, name: str) -> list[Series]:
    return [each for each in metrics.collect() if each.metric.name == name]


def test_counts_are_added_to_totals_that_only_grow() -> None:
    metrics, shown = Metrics(now_s=0.0), EdgeMetrics()
    for _ in range(2):
        shown.take(report(EdgeCounts(edge=edge(), connections=2, bytes_sent=10)))
        shown.collect(metrics, ())
        shown.collect(metrics, ())

    (connections,) = series(metrics, "consul.mesh.connections")

    assert 4 == connections.total_sum
    assert {
        "source": "web",
        "destination": "api",
        "route": "api",
        "direction": "outbound",
    } == connections.label_pairs()
    assert 20 == series(metrics, "consul.mesh.bytes_sent")[0].total_sum


def test_requests_are_counted_by_class_with_their_durations() -> None:
    metrics, shown = Metrics(now_s=0.0), EdgeMetrics()
    counts = EdgeCounts(
        edge=edge(),
        requests=3,
        classes={"2xx": 2, "reset": 1},
        latency_ms=LATENCIES,
        latency_ms_sum=2.5,
    )

    shown.take(report(counts))
    shown.collect(metrics, ())

    by_class = {
        each.label_pairs()["class"]: each.total_sum
        for each in series(metrics, "consul.mesh.requests")
    }
    assert {"2xx": 2, "reset": 1} == by_class
    (duration,) = series(metrics, "consul.mesh.request_duration_ms")
    assert (3, 2.5, [1, 2]) == (duration.total_count, duration.total_sum, duration.counts[:2])


def test_proxies_and_clusters_of_an_edge_are_one_row() -> None:
    metrics, shown = Metrics(now_s=0.0), EdgeMetrics()

    for names in ({"proxy": "other"}, {"cluster": "api.default.dc2"}, {}):
        shown.take(report(EdgeCounts(edge=edge(**names), denied=1)))
    shown.collect(metrics, ())

    (denied,) = series(metrics, "consul.mesh.denied")
    assert 3 == denied.total_sum


def test_open_connections_are_a_gauge_that_ends_with_its_edge() -> None:
    metrics, shown, edges = Metrics(now_s=0.0), EdgeMetrics(), Edges()
    edges.take(1, report(EdgeCounts(edge=edge(), connections_open=3)), 0.0)
    edges.take(1, report(EdgeCounts(edge=edge(proxy="b"), connections_open=4)), 0.0)

    shown.collect(metrics, edges.totals())
    assert [7] == [each.gauge for each in series(metrics, "consul.mesh.connections_open")]

    shown.collect(metrics, ())
    assert [] == series(metrics, "consul.mesh.connections_open")


def test_edges_without_connections_of_their_own_show_none_open() -> None:
    metrics, shown, edges = Metrics(now_s=0.0), EdgeMetrics(), Edges()
    edges.take(1, report(EdgeCounts(edge=edge(), requests=3)), 0.0)

    shown.collect(metrics, edges.totals())

    assert [] == series(metrics, "consul.mesh.connections_open")


def test_edges_that_are_too_many_are_counted_without_names() -> None:
    metrics, shown = Metrics(now_s=0.0), EdgeMetrics()

    for number in range(EDGES_SHOWN_MAX + 10):
        shown.take(report(EdgeCounts(edge=edge(source=f"s{number}"), connections=1)))
    shown.collect(metrics, ())

    counted = series(metrics, "consul.mesh.connections")
    assert EDGES_SHOWN_MAX + 1 == len(counted)
    assert [10] == [each.total_sum for each in counted if not each.label_pairs()["source"]]
    assert EDGES_SHOWN_MAX + 10 == sum(each.total_sum for each in counted)


def test_handshake_failures_are_counted_by_proxy_and_reason() -> None:
    metrics, shown = Metrics(now_s=0.0), EdgeMetrics()

    shown.take(report(handshake_failures={"web": {"expired": 2}}))
    shown.take(report(handshake_failures={"web": {"expired": 1, "unknown-ca": 1}}))
    shown.collect(metrics, ())

    counted = {
        each.labels: each.total_sum for each in series(metrics, "consul.mesh.handshake_failures")
    }
    assert {("web", "expired"): 3, ("web", "unknown-ca"): 1} == counted


def test_each_count_of_an_edge_is_a_metric() -> None:
    assert set(SUMMED) - {"requests"} == set(COUNTERS)
    assert set(COUNTERS) <= set(Totals.__struct_fields__)
