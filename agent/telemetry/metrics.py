"""The registry of metrics: records values cheaply, keeps totals and 10-second intervals.

Totals are for Prometheus, intervals for ``/v1/agent/metrics``. Recording reads no clock: a timer
calls ``advance``. Only declared names (``telemetry.table``) with their declared labels exist;
anything else is our bug and a KeyError.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agent.telemetry.table import METRICS, Kind, Metric

INTERVAL_S: Final = 10.0  # as Consul's in-memory sink; dashboards divide by it
QUANTILE_VALUES_MAX: Final = 128  # newest values that quantiles are taken of, a sample series
SERIES_MAX: Final = 10_000  # of one agent; labels come from requests and must not fill memory

Labels = tuple[str, ...]


class Aggregate(msgspec.Struct):
    """Values of one interval, or of all time."""

    count: int = 0
    sum: float = 0.0
    sum_of_squares: float = 0.0
    min: float = math.inf
    max: float = -math.inf

    @property
    def mean(self) -> float:
        """The average, 0 of nothing."""
        return self.sum / self.count if self.count else 0.0

    @property
    def standard_deviation(self) -> float:
        """Of the values as a sample of more; 0 for fewer than two."""
        if self.count < 2:
            return 0.0
        variance = (self.count * self.sum_of_squares - self.sum**2) / (
            self.count * (self.count - 1)
        )
        return math.sqrt(max(0.0, variance))  # rounding may bring it just below zero


class Series(msgspec.Struct):
    """One metric with one set of label values. ``gauge`` is its value if it is a gauge.

    ``newest`` values are of a sample; ``counts`` by bucket, then of what is beyond, of a histogram.
    """

    metric: Metric
    labels: Labels
    gauge: float | None = None
    current: Aggregate = msgspec.field(default_factory=Aggregate)
    complete: Aggregate = msgspec.field(default_factory=Aggregate)
    total_count: int = 0
    total_sum: float = 0.0
    newest: list[float] = msgspec.field(default_factory=list)
    counts: list[int] = msgspec.field(default_factory=list)

    def label_pairs(self) -> dict[str, str]:
        """The labels by name."""
        return dict(zip(self.metric.labels, self.labels, strict=True))


class NameFilter(msgspec.Struct, frozen=True):
    """Which metrics are recorded: the longest prefix decides, ``is_kept_by_default`` the rest.

    ``prefixes`` are ``+prefix`` (keep) and ``-prefix`` (drop), of names with their first part.
    """

    prefixes: tuple[str, ...] = ()
    is_kept_by_default: bool = True

    def keeps(self, name: str) -> bool:
        """Whether ``name`` is recorded."""
        matching = [prefix for prefix in self.prefixes if name.startswith(prefix[1:])]
        if not matching:
            return self.is_kept_by_default
        return max(matching, key=len).startswith("+")


class Metrics:
    """The one registry of an agent.

    ``prefix`` replaces ``consul`` as the first part of names. ``now_s`` is the wall clock at the
    start. ``advance`` must be called at least every ten seconds.
    """

    def __init__(
        self, *, now_s: float, prefix: str = "consul", name_filter: NameFilter | None = None
    ) -> None:
        self._metrics = {metric.name: metric for metric in METRICS}
        self._series: dict[tuple[str, Labels], Series] = {}
        self._prefix = prefix
        self._filter = name_filter or NameFilter()
        self._collectors: list[Callable[[Metrics], None]] = []
        self._has_complete = False
        self._complete_start_s = self._start_s = _interval_start(now_s)
        self.refused_series = 0

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        """Add ``n`` to a counter."""
        self._record(name, "counter", n, labels)

    def sample(self, name: str, value: float, **labels: str) -> None:
        """Add one value, in the metric's unit, to a distribution."""
        series = self._record(name, "sample", value, labels)
        if series is None:
            return
        newest = series.newest
        if len(newest) < QUANTILE_VALUES_MAX:
            newest.append(value)
        else:
            newest[series.total_count % QUANTILE_VALUES_MAX] = value

    def histogram(self, name: str, counts: Sequence[int], total: float, **labels: str) -> None:
        """Add to a histogram: values by bucket, then those beyond, and the sum of all of them.

        Extremes and squares of the interval are estimates from the buckets.
        """
        series = self._find(name, "histogram", labels)
        if series is None or not any(counts):
            return
        bounds = (0.0, *series.metric.buckets, series.metric.buckets[-1])
        series.counts = series.counts or [0] * (len(bounds) - 1)
        aggregate = series.current
        for bucket, number in enumerate(counts):
            if not number:
                continue
            low, high = bounds[bucket], bounds[bucket + 1]
            series.counts[bucket] += number
            aggregate.count += number
            aggregate.sum_of_squares += number * ((low + high) / 2) ** 2
            aggregate.min = min(aggregate.min, low)
            aggregate.max = max(aggregate.max, high)
        aggregate.sum += total
        series.total_count += sum(counts)
        series.total_sum += total

    def forget(self, name: str, **labels: str) -> None:
        """Show a series no more: what it told of is gone."""
        self._series.pop((name, tuple(labels[label] for label in self._metrics[name].labels)), None)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge, in the metric's unit."""
        series = self._find(name, "gauge", labels)
        if series is not None:
            series.gauge = value

    def on_collect(self, collector: Callable[["Metrics"], None]) -> None:
        """Call ``collector(self)`` before values are shown, to set gauges that cost to know.

        It is called at the end of each interval too, so that what it counts falls into the right
        one.
        """
        self._collectors.append(collector)

    def change_filter(self, name_filter: NameFilter) -> None:
        """Record by ``name_filter`` from now on; what it drops is forgotten."""
        self._filter = name_filter
        self._series = {
            key: series for key, series in self._series.items() if self._is_kept(series.metric)
        }

    def collect(self) -> list[Series]:
        """Every series that has a value, in order of names and labels, with gauges up to date."""
        for collector in self._collectors:
            collector(self)
        return [self._series[key] for key in sorted(self._series)]

    def advance(self, now_s: float) -> None:
        """Close the running interval if its time is over."""
        start_s = _interval_start(now_s)
        if start_s <= self._start_s:
            return
        for collector in self._collectors:
            collector(self)
        for series in self._series.values():
            series.complete, series.current = series.current, Aggregate()
        self._complete_start_s, self._start_s = self._start_s, start_s
        self._has_complete = True

    def shown_interval(self) -> tuple[float, Callable[[Series], Aggregate]]:
        """The start, in epoch seconds, of the last complete interval, and how to read it.

        During the very first interval that one is shown while it runs.
        """
        if self._has_complete:
            return self._complete_start_s, lambda series: series.complete
        return self._start_s, lambda series: series.current

    def shown_name(self, metric: Metric) -> str:
        """The name with the configured prefix."""
        return self._prefix + metric.name.removeprefix("consul")

    def _record(self, name: str, kind: Kind, value: float, labels: dict[str, str]) -> Series | None:
        series = self._find(name, kind, labels)
        if series is None:
            return None
        series.total_count += 1
        series.total_sum += value
        aggregate = series.current
        aggregate.count += 1
        aggregate.sum += value
        aggregate.sum_of_squares += value * value
        aggregate.min = min(aggregate.min, value)
        aggregate.max = max(aggregate.max, value)
        return series

    def _find(self, name: str, kind: Kind, labels: dict[str, str]) -> Series | None:
        """The series, made if it is new; None if it is filtered out or one too many."""
        metric = self._metrics[name]
        if len(labels) != len(metric.labels):
            raise KeyError(_wrong_labels(metric, labels))
        values = tuple([labels[label] for label in metric.labels]) if labels else ()
        series = self._series.get((name, values))
        return series if series is not None else self._new(metric, kind, values)

    def _new(self, metric: Metric, kind: Kind, values: Labels) -> Series | None:
        if metric.kind != kind:
            raise KeyError(f"{metric.name} is a {metric.kind}, not a {kind}")
        if not self._is_kept(metric):
            return None
        if len(self._series) >= SERIES_MAX:
            self.refused_series += 1
            return None
        series = self._series[metric.name, values] = Series(metric, values)
        return series

    def _is_kept(self, metric: Metric) -> bool:
        return self._filter.keeps(self.shown_name(metric))


def until_next_interval_s(now_s: float) -> float:
    """Seconds until the running interval is over."""
    return _interval_start(now_s) + INTERVAL_S - now_s


def _interval_start(now_s: float) -> float:
    return now_s - now_s % INTERVAL_S


def _wrong_labels(metric: Metric, labels: dict[str, str]) -> str:
    return f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}"
