"""consul_sd_configs as VictoriaMetrics has it: instances become targets, and go again."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.compat.peer import running_program
from tests.system.agent_process import AgentProcess, free_ports, wait_until

pytestmark = pytest.mark.compat

CONFIG = """
scrape_configs:
  - job_name: consul
    scrape_interval: 5s
    consul_sd_configs:
      - server: "{server}"
        services: [scraped-web]
    relabel_configs:
      - source_labels: [__meta_consul_tags]
        target_label: tags
      - source_labels: [__meta_consul_dc]
        target_label: dc
      - source_labels: [__meta_consul_service_metadata_team]
        target_label: team
      - source_labels: [__meta_consul_health]
        target_label: health
"""


def active_targets(address: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/targets", timeout=5) as answer:
            return json.load(answer)["data"]["activeTargets"] or []
    except OSError:
        return []


def ports(address: str) -> set[str]:
    return {row["labels"]["instance"].rpartition(":")[2] for row in active_targets(address)}


def test_scraper_follows_the_instances_of_a_service(agent: AgentProcess, tmp_path: Path) -> None:
    for number in (1, 2):
        service = {
            "ID": f"scraped-{number}",
            "Name": "scraped-web",
            "Port": 9000 + number,
            "Tags": ["blue"],
            "Meta": {"team": "shop"},
        }
        agent.put_ok("/v1/agent/service/register", service)
    config = tmp_path / "scrape.yml"
    config.write_text(CONFIG.format(server=agent.http_address))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = [f"-promscrape.config={config}", f"-httpListenAddr={address}"]
    options += [f"-storageDataPath={tmp_path / 'series'}", "-promscrape.consulSDCheckInterval=1s"]

    with running_program(tmp_path / "scraper.log", "victoria-metrics", *options):
        wait_until(lambda: ports(address) == {"9001", "9002"}, timeout_s=40, what="two targets")
        labels = active_targets(address)[0]["labels"]
        agent.put_ok("/v1/agent/service/deregister/scraped-1")
        wait_until(lambda: ports(address) == {"9002"}, timeout_s=40, what="one target")

    seen = {name: labels[name] for name in ("tags", "dc", "team", "health")}
    assert seen == {"tags": ",blue,", "dc": "dc1", "team": "shop", "health": "passing"}
