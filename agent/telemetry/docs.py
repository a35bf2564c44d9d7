"""The reference page of metrics, made from the table: ``python -m agent.telemetry.docs``."""

from pathlib import Path
from typing import Final

from agent.telemetry.render import prometheus_name
from agent.telemetry.table import METRICS, Kind, Metric

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
_HEAD: Final = """# Metrics

Made from the table of metrics (`agent/telemetry/table.py`) by `python -m agent.telemetry.docs`; do
not edit. `/v1/agent/metrics` has them by these names, for the last interval of ten seconds;
`?format=prometheus` by names with underscores, since the start, if
`telemetry.prometheus_retention_time` is set. `telemetry.metrics_prefix` replaces `consul`;
`telemetry.prefix_filter` chooses. Gauges have the node's name as their second part unless
`telemetry.disable_hostname` is set. A metric is there once it has a value.

| metric | kind | unit | what | labels |
| --- | --- | --- | --- | --- |
"""
_KINDS: Final[dict[Kind, str]] = {
    "gauge": "gauge",
    "counter": "counter",
    "sample": "sample (summary)",
    "histogram": "sample (histogram)",
}


def text() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(metric) for metric in sorted(METRICS, key=_name))


def _name(metric: Metric) -> str:
    return metric.name.lower()


def _row(metric: Metric) -> str:
    labels = " ".join(f"`{prometheus_name(label)}`" for label in metric.labels)
    kind = _KINDS[metric.kind]
    return f"| `{metric.name}` | {kind} | {metric.unit} | {metric.help} | {labels} |\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")
