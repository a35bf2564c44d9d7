"""Prometheus's consul_sd_configs: services become targets with their tags, and go again."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.compat.peer import running_program
from tests.system.agent_process import AgentProcess, free_ports, wait_until

pytestmark = pytest.mark.compat

CONFIG = """
global: {{scrape_interval: 5s}}
scrape_configs:
  - job_name: consul
    consul_sd_configs:
      - server: "{server}"
        services: [prom-web]
        refresh_interval: 1s
    relabel_configs:
      - source_labels: [__meta_consul_tags]
        target_label: tags
      - source_labels: [__meta_consul_dc]
        target_label: dc
"""


def active_targets(address: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/targets", timeout=5) as answer:
            return json.load(answer)["data"]["activeTargets"]
    except OSError:
        return []


def test_prometheus_follows_the_instances_of_a_service(agent: AgentProcess, tmp_path: Path) -> None:
    for number in (1, 2):
        service = {"ID": f"p{number}", "Name": "prom-web", "Port": 9000 + number, "Tags": ["blue"]}
        agent.put_ok("/v1/agent/service/register", service)
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(server=agent.http_address))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = [f"--config.file={config}", f"--web.listen-address={address}"]
    options += [f"--storage.tsdb.path={tmp_path / 'series'}", "--log.level=warn"]

    with running_program(tmp_path / "prometheus.log", "prometheus", *options):

        def ports() -> set[str]:
            return {t["labels"]["instance"].split(":")[1] for t in active_targets(address)}

        wait_until(lambda: ports() == {"9001", "9002"}, timeout_s=40, what="two targets")
        labels = active_targets(address)[0]["labels"]
        agent.put_ok("/v1/agent/service/deregister/p1")
        wait_until(lambda: ports() == {"9002"}, timeout_s=40, what="one target")

    assert labels["tags"] == ",blue,"
    assert labels["dc"] == "dc1"
