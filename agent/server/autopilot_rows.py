"""Autopilot's view of the servers in the shapes of the API. Pure.

Source: Consul API, /v1/operator/autopilot/health and /state.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from agent.rpc.endpoints.server_state import (
    AutopilotHealth,
    AutopilotServer,
    AutopilotState,
    ServerHealth,
)
from agent.server.autopilot_health import Assessment, Condition
from catalog.duration import format_duration
from gossip.core.types import Status

_STATUS_NAMES: Final = {
    Status.NONE: "none",
    Status.ALIVE: "alive",
    Status.LEAVING: "leaving",
    Status.LEFT: "left",
    Status.FAILED: "failed",
}
_NODE_STATUS_NAMES: Final = _STATUS_NAMES | {Status.NONE: "unknown", Status.LEAVING: "alive"}


def health_of(assessment: Assessment | None, *, epoch_s: float) -> AutopilotHealth:
    """How the servers fare. ``epoch_s``: the wall clock when the assessment's clock was 0.

    Without an assessment nobody is known to be healthy.
    """
    if assessment is None:
        return AutopilotHealth(healthy=False, failure_tolerance=0, servers=())
    return AutopilotHealth(
        healthy=assessment.is_healthy,
        failure_tolerance=assessment.failure_tolerance,
        servers=tuple(_health(condition, epoch_s) for condition in assessment.conditions),
    )


def state_of(assessment: Assessment | None, *, epoch_s: float) -> AutopilotState:
    """The servers in their roles; see health_of."""
    conditions = assessment.conditions if assessment is not None else ()
    failure_tolerance = assessment.failure_tolerance if assessment is not None else 0
    return AutopilotState(
        healthy=assessment is not None and assessment.is_healthy,
        failure_tolerance=failure_tolerance,
        optimistic_failure_tolerance=failure_tolerance,
        servers={condition.id: _server(condition, epoch_s) for condition in conditions},
        leader=next((condition.id for condition in conditions if condition.is_leader), ""),
        voters=_best_first([condition for condition in conditions if condition.is_voter]),
    )


def _best_first(voters: Sequence[Condition]) -> tuple[str, ...]:
    ordered = sorted(
        voters, key=lambda v: (not v.is_leader, not v.is_healthy, v.stable_since_s, v.id)
    )
    return tuple(voter.id for voter in ordered)


def _health(condition: Condition, epoch_s: float) -> ServerHealth:
    stats = condition.stats
    return ServerHealth(
        id=condition.id,
        name=condition.name,
        address=condition.server.address,
        serf_status=_STATUS_NAMES[condition.status],
        version=condition.build,
        leader=condition.is_leader,
        last_contact=format_duration(stats.last_contact_ns),
        last_term=stats.last_term,
        last_index=stats.last_index,
        healthy=condition.is_healthy,
        voter=condition.is_voter,
        stable_since=_time(epoch_s + condition.stable_since_s),
    )


def _server(condition: Condition, epoch_s: float) -> AutopilotServer:
    stats = condition.stats
    role = "leader" if condition.is_leader else "voter" if condition.is_voter else "non-voter"
    return AutopilotServer(
        id=condition.id,
        name=condition.name,
        address=condition.server.address,
        node_status=_NODE_STATUS_NAMES[condition.status],
        version=condition.build,
        last_contact=format_duration(stats.last_contact_ns),
        last_term=stats.last_term,
        last_index=stats.last_index,
        healthy=condition.is_healthy,
        stable_since=_time(epoch_s + condition.stable_since_s),
        read_replica=condition.read_replica,
        status=role,
        meta={"version": condition.build, "raft_version": condition.raft_version},
        node_type="read-replica" if condition.read_replica else "voter",
    )


def _time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
