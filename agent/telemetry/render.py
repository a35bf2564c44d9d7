"""Metrics as text for readers: Consul's JSON and the Prometheus exposition format.

Sources: Consul API, /v1/agent/metrics; Prometheus text format 0.0.4. Counters carry no ``_total``
suffix, as Consul's do not and dashboards expect.
"""

import datetime
import math
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

from agent.telemetry.metrics import INTERVAL_S, Aggregate, Metrics, Series
from agent.telemetry.table import Kind, Metric

QUANTILES: Final = (0.5, 0.9, 0.99)
_TYPES: Final[dict[Kind, str]] = {
    "gauge": "gauge",
    "counter": "counter",
    "sample": "summary",
    "histogram": "histogram",
}
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_:]")


def to_json(metrics: Metrics, *, now_s: float, host_name: str = "") -> dict[str, Any]:
    """The last complete interval of ten seconds; the first one already while it runs.

    ``host_name`` is put into the names of gauges, as Consul does unless ``disable_hostname``.
    """
    metrics.advance(now_s)
    all_series = metrics.collect()
    start_s, aggregate_of = metrics.shown_interval()
    gauges, counters, samples = [], [], []
    for series in all_series:
        name = metrics.shown_name(series.metric)
        match series.metric.kind:
            case "gauge":
                shown = _with_host(name, host_name)
                gauges.append(
                    {"Name": shown, "Value": series.gauge, "Labels": series.label_pairs()}
                )
            case "counter":
                counters += _aggregate_json(name, series, aggregate_of(series))
            case "sample" | "histogram":
                samples += _aggregate_json(name, series, aggregate_of(series))
    start = datetime.datetime.fromtimestamp(start_s, datetime.UTC)
    return {
        "Timestamp": start.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
        "Gauges": gauges,
        "Points": [],
        "Counters": counters,
        "Samples": samples,
    }


def _aggregate_json(name: str, series: Series, aggregate: Aggregate) -> list[dict[str, Any]]:
    """One element, or none if the interval saw no value."""
    if not aggregate.count:
        return []
    return [
        {
            "Name": name,
            "Count": aggregate.count,
            "Rate": aggregate.sum / INTERVAL_S,
            "Sum": aggregate.sum,
            "Min": aggregate.min,
            "Max": aggregate.max,
            "Mean": aggregate.mean,
            "Stddev": aggregate.standard_deviation,
            "Labels": series.label_pairs(),
        }
    ]


def to_prometheus(metrics: Metrics, *, host_name: str = "") -> bytes:
    """All series since the start, in text format 0.0.4."""
    lines: list[str] = []
    last: Metric | None = None
    for series in metrics.collect():
        metric = series.metric
        name = metrics.shown_name(metric)
        if metric.kind == "gauge":
            name = _with_host(name, host_name)
        name = prometheus_name(name)
        if metric is not last:
            lines.append(f"# HELP {name} {_escaped(metric.help)} Unit: {metric.unit}.")
            lines.append(f"# TYPE {name} {_TYPES[metric.kind]}")
            last = metric
        lines += _exposed(name, series)
    return ("\n".join(lines) + "\n").encode() if lines else b""


def prometheus_name(name: str) -> str:
    """``consul.raft.commitTime`` -> ``consul_raft_commitTime``."""
    return _NOT_IN_NAMES.sub("_", name)


def _exposed(name: str, series: Series) -> list[str]:
    pairs = series.label_pairs()
    labels = _labels(pairs)
    match series.metric.kind:
        case "gauge":
            return [f"{name}{labels} {_number(series.gauge)}"]
        case "counter":
            return [f"{name}{labels} {_number(series.total_sum)}"]
        case "sample":
            ordered = sorted(series.newest)
            return [
                *(
                    f"{name}{_labels(pairs | {'quantile': str(share)})} "
                    f"{_number(_quantile(ordered, share))}"
                    for share in QUANTILES
                ),
                f"{name}_sum{labels} {_number(series.total_sum)}",
                f"{name}_count{labels} {series.total_count}",
            ]
        case "histogram":
            return [
                *_buckets(name, series),
                f"{name}_sum{labels} {_number(series.total_sum)}",
                f"{name}_count{labels} {series.total_count}",
            ]


def _buckets(name: str, series: Series) -> Iterator[str]:
    """How many values there were up to each bound, and in all."""
    pairs = series.label_pairs()
    bounds = (*series.metric.buckets, math.inf)
    counts = series.counts or [0] * len(bounds)
    for bound, count in zip(bounds, accumulate(counts), strict=True):
        yield f"{name}_bucket{_labels(pairs | {'le': _number(bound)})} {count}"


def _quantile(ordered: list[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def _labels(pairs: dict[str, str]) -> str:
    if not pairs:
        return ""
    inner = ",".join(f'{prometheus_name(key)}="{_escaped_value(pairs[key])}"' for key in pairs)
    return "{" + inner + "}"


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escaped_value(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _with_host(name: str, host_name: str) -> str:
    if not host_name:
        return name
    prefix, _, rest = name.partition(".")
    return f"{prefix}.{host_name}.{rest}"
