"""Autopilot's view in the API's shapes."""

from agent.server.autopilot_health import Observed, assess
from agent.server.autopilot_rows import health_of, state_of
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from tests.agent.server.fleet import following, members_of, seen

EPOCH_S = 1_700_000_000.0


def assessment():
    observed = Observed(
        configuration=members_of("abc", "dx"),
        members=[seen("a"), seen("b", Status.FAILED), seen("c"), seen("x", read_replica=True)],
        stats={
            "c": following(500, contact_ns=0),
            "a": following(499, contact_ns=32_500_000),
            "x": following(500),
        },
        leader_id="c",
    )
    return assess(None, observed, AutopilotConfiguration(), 60.0)


def test_nothing_is_healthy_before_the_first_look():
    health, state = health_of(None, epoch_s=0.0), state_of(None, epoch_s=0.0)

    assert (False, 0, ()) == (health.healthy, health.failure_tolerance, health.servers)
    assert (False, "", (), {}) == (state.healthy, state.leader, state.voters, state.servers)


def test_health_shows_every_server_with_its_numbers():
    health = health_of(assessment(), epoch_s=EPOCH_S)
    first, failed, leader, unknown, replica = health.servers

    assert (False, 0) == (health.healthy, health.failure_tolerance)
    assert ("a", "srv-a", "alive", "1.9.8") == (
        first.id,
        first.name,
        first.serf_status,
        first.version,
    )
    assert ("32.5ms", 2, 499, True, True) == (
        first.last_contact,
        first.last_term,
        first.last_index,
        first.healthy,
        first.voter,
    )
    assert "2023-11-14T22:14:20Z" == first.stable_since
    assert ("failed", False, "-1ns") == (failed.serf_status, failed.healthy, failed.last_contact)
    assert ("0s", True) == (leader.last_contact, leader.leader)
    assert ("none", "", False) == (unknown.serf_status, unknown.name, unknown.voter)
    assert (True, False) == (replica.healthy, replica.voter)


def test_state_shows_roles_and_the_best_voters_first():
    state = state_of(assessment(), epoch_s=EPOCH_S)

    assert ("c", ("c", "a", "b")) == (state.leader, state.voters)
    assert {"a": "voter", "b": "voter", "c": "leader", "d": "non-voter", "x": "non-voter"} == {
        server_id: server.status for server_id, server in state.servers.items()
    }
    assert ("unknown", "alive") == (state.servers["d"].node_status, state.servers["x"].node_status)
    assert (True, "read-replica") == (state.servers["x"].read_replica, state.servers["x"].node_type)
    assert {"version": "1.9.8", "raft_version": "3"} == state.servers["a"].meta
