"""The npm package "consul", driven by client.mjs: KV, services, a session's lock and a watch."""

import json
from pathlib import Path

import pytest

from tests.compat.peer import run_program
from tests.system.agent_process import AgentProcess

pytestmark = pytest.mark.compat

FOLDER = Path(__file__).parent


def test_npm_consul_sees_a_consul_agent(agent: AgentProcess) -> None:
    if not (FOLDER / "node_modules" / "consul").is_dir():
        pytest.fail("the npm package consul is not installed; scripts/setup test installs it")

    seen = json.loads(
        run_program("node", str(FOLDER / "client.mjs"), agent.http_address, timeout_s=60)
    )

    assert seen == {
        "value": "one",
        "keys": ["npm/a"],
        "missing": None,
        "deleted": None,
        "port": 8080,
        "tags": ["v1"],
        "gone": True,
        "acquired": True,
        "refused": False,
        "released": True,
        "watched": ["old", "new"],
    }
