"""The recorded answers of Consul 1.9.8, replayed against a fresh dev agent.

The corpus lies in `../shared/conformance` beside the project, or where PROCONSUL_CONFORMANCE says;
PROCONSUL_CONFORMANCE=none is the one way to go without it.
"""

import fnmatch
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.system.agent_process import ROOT, AgentProcess, AgentStarter

pytestmark = [pytest.mark.compat, pytest.mark.timeout(300)]

SKIP_FILE = ROOT / "docs" / "compatibility-skip.txt"
# A replay against the real program takes about 50 s, most of it waiting in the scenarios.
REPLAY_WAIT_S = 280.0
# Areas whose failing steps are printed but break nothing yet; every other area must be clean.
AREAS_REPORTED_ONLY = frozenset({"connect", "discovery-chain", "acl-off"})


def corpus() -> Path:
    """The folder with replay.py; fails the test if it is missing."""
    named = os.environ.get("PROCONSUL_CONFORMANCE")
    if named == "none":
        pytest.skip("PROCONSUL_CONFORMANCE=none")
    folder = Path(named) if named else ROOT.parent / "shared" / "conformance"
    if not (folder / "replay.py").is_file():
        pytest.fail(f"no conformance corpus at {folder}: set PROCONSUL_CONFORMANCE to its folder")
    return folder


def area_of_each_scenario(folder: Path) -> dict[str, str]:
    scenarios = [json.loads(path.read_text()) for path in (folder / "scenarios").glob("*.json")]
    return {scenario["name"]: scenario["area"] for scenario in scenarios}


def replay(folder: Path, agent: AgentProcess, scratch: Path, *more_skips: Path) -> list[Any]:
    """Every step's result: {"scenario", "step", "label", "diffs"}, of what no file skips."""
    skips, report = scratch / "skips", scratch / "report.json"
    skips.write_text("\n".join(path.read_text() for path in (SKIP_FILE, *more_skips)))
    command = [sys.executable, str(folder / "replay.py"), "--http", agent.http_address]
    command += ["--dns", f"127.0.0.1:{agent.dns_port}"]
    command += ["--json", str(report), "--skip", str(skips)]
    subprocess.run(command, timeout=REPLAY_WAIT_S, check=False)
    return json.loads(report.read_text())


def told(result: Any) -> str:
    """One step's differences, for a reader."""
    return f"{result['scenario']} step {result['step']} {result['label']}: {result['diffs']}"


def test_every_recorded_answer_is_given(start_agent: AgentStarter, tmp_path: Path) -> None:
    folder = corpus()
    areas = area_of_each_scenario(folder)
    agent = start_agent("-node=node-a", "-datacenter=dc1")

    results = replay(folder, agent, tmp_path)

    failed = [result for result in results if result["diffs"]]
    by_area = Counter(areas[str(result["scenario"])] for result in failed)
    print("failing steps by area:", dict(by_area))
    asserted = [
        told(result)
        for result in failed
        if areas[str(result["scenario"])] not in AREAS_REPORTED_ONLY
    ]
    assert results
    assert asserted == [], "\n".join(asserted)


def test_every_skipped_scenario_exists_and_has_its_reason_in_the_docs() -> None:
    names = area_of_each_scenario(corpus())
    documented = (ROOT / "docs" / "compatibility.md").read_text()
    lines = (line.partition("#")[0].strip() for line in SKIP_FILE.read_text().splitlines())

    for glob in filter(None, lines):
        assert fnmatch.filter(names, glob), f"no scenario {glob}"
        assert glob in documented, f"{glob} has no reason in docs/compatibility.md"
