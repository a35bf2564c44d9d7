import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.telemetry.metrics import (
    QUANTILE_VALUES_MAX,
    Aggregate,
    Metrics,
    NameFilter,
    until_next_interval_s,
)
from agent.telemetry.table import REQUEST_BUCKETS_MS


@pytest.fixture
def metrics():
    return Metrics(now_s=1000.0)


def only(metrics):
    (series,) = metrics.collect()
    return series


def test_counter_adds_up(metrics):
    metrics.count("consul.client.rpc")
    metrics.count("consul.client.rpc", 4)

    assert only(metrics).total_sum == 5
    assert only(metrics).total_count == 2


def test_gauge_keeps_its_last_value(metrics):
    metrics.gauge("consul.raft.peers", 3)
    metrics.gauge("consul.raft.peers", 5)

    assert only(metrics).gauge == 5


def test_labels_part_a_metric_into_series_in_any_order_of_arguments(metrics):
    metrics.sample("consul.api.http", 1.0, method="GET", path="v1_kv_")
    metrics.sample("consul.api.http", 2.0, path="v1_kv_", method="GET")
    metrics.sample("consul.api.http", 3.0, method="PUT", path="v1_kv_")

    assert [series.total_sum for series in metrics.collect()] == [3.0, 3.0]
    assert [series.label_pairs()["method"] for series in metrics.collect()] == ["GET", "PUT"]


@pytest.mark.parametrize(
    "record",
    [
        lambda metrics: metrics.count("consul.undeclared"),
        lambda metrics: metrics.count("consul.raft.peers"),
        lambda metrics: metrics.gauge("consul.kvs.apply", 1),
        lambda metrics: metrics.sample("consul.api.http", 1.0),
        lambda metrics: metrics.sample("consul.api.http", 1.0, method="GET"),
        lambda metrics: metrics.sample("consul.api.http", 1.0, method="GET", way="x"),
        lambda metrics: metrics.count("consul.client.rpc", 1, server="a"),
    ],
)
def test_undeclared_name_kind_or_label_is_a_key_error(metrics, record):
    with pytest.raises(KeyError):
        record(metrics)


def test_first_interval_is_shown_while_it_runs_and_then_the_last_complete(metrics):
    metrics.count("consul.client.rpc", 1)
    start_s, running = metrics.shown_interval()
    assert (start_s, running(only(metrics)).sum) == (1000.0, 1)

    metrics.advance(1009.9)
    assert metrics.shown_interval()[0] == 1000.0

    metrics.advance(1010.0)
    metrics.count("consul.client.rpc", 7)
    start_s, complete = metrics.shown_interval()
    assert (start_s, complete(only(metrics)).sum) == (1000.0, 1)

    metrics.advance(1020.0)
    start_s, complete = metrics.shown_interval()
    assert (start_s, complete(only(metrics)).sum) == (1010.0, 7)


def test_collectors_run_before_values_are_shown(metrics):
    metrics.on_collect(lambda registry: registry.gauge("consul.raft.peers", 9))

    assert only(metrics).gauge == 9


def test_longest_prefix_of_the_filter_decides():
    name_filter = NameFilter(("-consul.raft", "+consul.raft.apply"))

    assert name_filter.keeps("consul.raft.apply")
    assert not name_filter.keeps("consul.raft.peers")
    assert name_filter.keeps("consul.kvs.apply")
    assert not NameFilter((), is_kept_by_default=False).keeps("consul.kvs.apply")


def test_filtered_metric_is_not_recorded_and_a_new_filter_applies_at_once(metrics):
    metrics.count("consul.client.rpc")
    metrics.change_filter(NameFilter(("-consul.client",)))
    metrics.count("consul.client.rpc")
    metrics.sample("consul.kvs.apply", 1.0)

    assert only(metrics).metric.name == "consul.kvs.apply"


def test_series_are_bounded(metrics, monkeypatch):
    monkeypatch.setattr("agent.telemetry.metrics.SERIES_MAX", 2)

    for service in ("a", "b", "c"):
        metrics.count("consul.catalog.service.query", service=service)

    assert len(metrics.collect()) == 2
    assert metrics.refused_series == 1


def test_newest_values_are_bounded(metrics):
    for value in range(QUANTILE_VALUES_MAX * 2 + 5):
        metrics.sample("consul.kvs.apply", value)

    assert len(only(metrics).newest) == QUANTILE_VALUES_MAX
    assert min(only(metrics).newest) >= QUANTILE_VALUES_MAX


def test_empty_aggregate_has_no_mean_nor_deviation():
    assert (Aggregate().mean, Aggregate().standard_deviation) == (0, 0)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30))
def test_aggregate_agrees_with_statistics(values):
    metrics = Metrics(now_s=0)

    for value in values:
        metrics.sample("consul.kvs.apply", value)

    aggregate = only(metrics).current
    assert math.isclose(aggregate.mean, statistics.fmean(values), abs_tol=1e-9)
    assert math.isclose(
        aggregate.standard_deviation, statistics.stdev(values), rel_tol=1e-6, abs_tol=1e-6
    )
    assert (aggregate.min, aggregate.max) == (min(values), max(values))


def test_intervals_begin_at_whole_tens_of_seconds():
    assert until_next_interval_s(1003.0) == 7.0
    assert until_next_interval_s(1000.0) == 10.0


EDGE = {"source": "web", "destination": "db", "route": "db", "direction": "inbound"}
DURATION = "consul.mesh.request_duration_ms"


def counts_of(**by_bucket):
    buckets = REQUEST_BUCKETS_MS
    counts = [0] * (len(buckets) + 1)
    for name, number in by_bucket.items():
        counts[int(name.removeprefix("b"))] = number
    return counts


def test_histogram_adds_counts_by_bucket(metrics):
    metrics.histogram(DURATION, counts_of(b0=2, b2=1), 3.0, **EDGE)
    metrics.histogram(DURATION, counts_of(b2=1), 2.0, **EDGE)

    series = only(metrics)

    assert series.counts[:4] == [2, 0, 2, 0]
    assert (series.total_count, series.total_sum) == (4, 5.0)


def test_histogram_of_an_interval_has_the_bounds_of_its_buckets_as_extremes(metrics):
    metrics.histogram(DURATION, counts_of(b1=1, b3=1), 5.0, **EDGE)

    interval = only(metrics).current

    assert (interval.count, interval.sum, interval.min, interval.max) == (2, 5.0, 0.5, 5.0)
    assert interval.standard_deviation > 0


def test_histogram_of_nothing_adds_nothing(metrics):
    metrics.histogram(DURATION, counts_of(), 0.0, **EDGE)

    assert only(metrics).total_count == 0


def test_what_collectors_count_falls_into_the_interval_that_ends(metrics):
    metrics.on_collect(lambda registry: registry.count("consul.client.rpc"))

    metrics.advance(1010.0)

    _, complete = metrics.shown_interval()
    (series,) = metrics.collect()
    assert complete(series).sum == 1


def test_forgotten_series_is_not_shown(metrics):
    metrics.gauge("consul.mesh.proxy.faults", 1, proxy="a")
    metrics.gauge("consul.mesh.proxy.faults", 2, proxy="b")

    metrics.forget("consul.mesh.proxy.faults", proxy="a")
    metrics.forget("consul.mesh.proxy.faults", proxy="never")

    assert only(metrics).label_pairs() == {"proxy": "b"}
