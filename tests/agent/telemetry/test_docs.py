"""Claims about the generated reference page of metrics."""

from agent.telemetry.docs import PAGE, text
from agent.telemetry.table import METRICS


def test_page_on_disk_is_current():
    assert text() == PAGE.read_text(encoding="utf-8")


def test_page_has_every_metric_with_its_labels():
    rows = {line.split("`")[1]: line for line in text().splitlines() if line.startswith("| `")}

    assert {metric.name for metric in METRICS} == set(rows)
    for metric in METRICS:
        assert all(f"`{label}`" in rows[metric.name] for label in metric.labels)
