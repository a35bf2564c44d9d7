"""The recorded answers of Consul 1.9.8, replayed through a follower of three servers.

The recording was made with one server that led, so what tells of the servers differs by nature:
`docs/compatibility-follower-skip.txt` lists it. What the leader refused has the prefix of a call.
See test_conformance for where the corpus lies.
"""

import fnmatch
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat.test_conformance import REPLAY_WAIT_S, SKIP_FILE, area_of_each_scenario, corpus
from tests.compat.test_conformance_client import is_only_relayed, skipped_names
from tests.system.agent_process import ROOT, AgentStarter, wait_until
from tests.system.cluster import node_status
from tests.system.servers import Servers, loopback_servers

pytestmark = [pytest.mark.compat, pytest.mark.timeout(300)]

FOLLOWER_SKIP_FILE = ROOT / "docs" / "compatibility-follower-skip.txt"
ASKED = "node-a"  # the recording's name


def test_every_recorded_answer_is_given_through_a_follower(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    folder = corpus()
    servers = three_servers(start_agent)
    follower = servers[ASKED]
    skips, report = tmp_path / "skips", tmp_path / "report.json"
    skips.write_text("\n".join(skipped_names(SKIP_FILE) + skipped_names(FOLLOWER_SKIP_FILE)))
    command = [sys.executable, str(folder / "replay.py"), "--http", follower.http_address]
    command += ["--dns", f"127.0.0.1:{follower.dns_port}"]
    command += ["--json", str(report), "--skip", str(skips)]

    subprocess.run(command, timeout=REPLAY_WAIT_S, check=False, capture_output=True)

    results = json.loads(report.read_text())
    failed = [
        f"{result['scenario']} step {result['step']} {result['label']}: {result['diffs']}"
        for result in results
        if not all(map(is_only_relayed, result["diffs"]))
    ]
    assert results
    assert failed == [], "\n".join(failed)
    assert servers.leader() != ASKED, "it has been asked as a follower to the end"


def three_servers(starter: AgentStarter) -> Servers:
    """Three servers of which the one with the recording's name follows."""
    servers = loopback_servers(starter, 3, "-datacenter=dc1", "-hcl=connect { enabled = true }")
    asked = servers.agents.pop("s1")
    asked.arguments = tuple(f"-node={ASKED}" if a == "-node=s1" else a for a in asked.arguments)
    servers.agents[ASKED] = asked
    servers.addresses[ASKED] = servers.addresses.pop("s1")
    servers.start()
    if servers.wait_leader() == ASKED:
        asked.run("operator", "raft", "transfer-leader")
        servers.wait_leader(other_than=ASKED)
    for name in servers:
        wait_until(lambda name=name: node_status(asked, name) == "passing", what=f"{name} alive")
    return servers


def test_every_scenario_skipped_on_a_follower_exists_and_says_why() -> None:
    names = area_of_each_scenario(corpus())

    for line in FOLLOWER_SKIP_FILE.read_text().splitlines():
        glob, _, reason = line.partition("#")
        assert not glob.strip() or fnmatch.filter(names, glob.strip()), f"no scenario {glob}"
        assert reason.strip(), f"{glob} has no reason"
