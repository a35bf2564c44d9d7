"""The recorded answers of Consul 1.9.8, replayed through a follower of three servers.

The recording was made with one server that led, so what tells of the servers differs by nature:
`docs/compatibility-follower-skip.txt` lists it. What the leader refused has the prefix of a call.
See test_conformance for where the corpus lies.
"""

from pathlib import Path

import pytest

from tests.compat.test_conformance_client import (
    assert_each_exists_and_says_why,
    assert_only_relayed,
)
from tests.system.agent_process import ROOT, AgentStarter, wait_until
from tests.system.cluster import node_status
from tests.system.servers import Servers, loopback_servers

pytestmark = [pytest.mark.compat, pytest.mark.timeout(300)]

FOLLOWER_SKIP_FILE = ROOT / "docs" / "compatibility-follower-skip.txt"
ASKED = "node-a"  # the recording's name


def test_every_recorded_answer_is_given_through_a_follower(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = three_servers(start_agent)

    assert_only_relayed(servers[ASKED], tmp_path, FOLLOWER_SKIP_FILE)

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
    assert_each_exists_and_says_why(FOLLOWER_SKIP_FILE)
