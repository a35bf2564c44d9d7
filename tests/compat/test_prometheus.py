"""Prometheus scrapes the agent's own metrics: the text form is valid and has samples.

Debian's build of Prometheus leaves consul_sd_configs out (its changelog says so); discovery by that
section is tested with another program that has it, in test_victoria_metrics.py.
"""

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.compat.peer import running_program
from tests.system.agent_process import AgentStarter, free_ports, wait_until

pytestmark = pytest.mark.compat

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: agent
    metrics_path: /v1/agent/metrics
    params: {{format: [prometheus]}}
    static_configs:
      - targets: ["{server}"]
"""


def read(address: str, path: str) -> Any:
    """The data of an answer of Prometheus's API, None while it does not serve."""
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def value(address: str, query: str) -> float | None:
    """The value of an instant query that has one series."""
    found = read(address, "query?" + urllib.parse.urlencode({"query": query}))
    return float(found["result"][0]["value"][1]) if found and found["result"] else None


def test_prometheus_scrapes_the_agents_metrics(start_agent: AgentStarter, tmp_path: Path) -> None:
    agent = start_agent("-hcl", 'telemetry { prometheus_retention_time = "60s" }')
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(server=agent.http_address))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = [f"--config.file={config}", f"--web.listen-address={address}"]
    options += [f"--storage.tsdb.path={tmp_path / 'series'}", "--log.level=warn"]

    with running_program(tmp_path / "prometheus.log", "prometheus", *options):
        wait_until(lambda: value(address, "up"), timeout_s=40, what="a good scrape")
        target = read(address, "targets")["activeTargets"][0]
        samples = value(address, "scrape_samples_scraped")
        names = read(address, "label/__name__/values")

    assert (target["health"], target["lastError"]) == ("up", "")
    assert samples is not None
    assert samples > 10
    assert any(name.startswith("consul_") for name in names)
