"""Health checks. Source: Consul API, /v1/health; structs.HealthCheck."""

from typing import Final

import msgspec

from catalog.duration import Duration
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.schema import Omit, Row, Unfiltered

PASSING: Final = "passing"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
MAINTENANCE: Final = "maintenance"
STATUSES: Final = (PASSING, WARNING, CRITICAL)

SERF_HEALTH: Final = "serfHealth"
SERF_HEALTH_NAME: Final = "Serf Health Status"
SERF_ALIVE_OUTPUT: Final = "Agent alive and reachable"
SERF_FAILED_OUTPUT: Final = "Agent not live or unreachable"
NODE_MAINTENANCE: Final = "_node_maintenance"
SERVICE_MAINTENANCE_PREFIX: Final = "_service_maintenance:"


class CheckDefinition(Row, frozen=True, kw_only=True):
    """How a check is run, as told by whoever registered it. Durations are nanoseconds."""

    http: Omit[str] = ""
    tls_skip_verify: Omit[bool] = False
    header: Omit[dict[str, tuple[str, ...]] | None] = None
    method: Omit[str] = ""
    body: Omit[str] = ""
    tcp: Omit[str] = ""
    interval: Omit[Duration] = 0
    output_max_size: Omit[int] = 0
    timeout: Omit[Duration] = 0
    deregister_critical_service_after: Omit[Duration] = 0
    script_args: Omit[tuple[str, ...] | None] = None
    docker_container_id: Omit[str] = ""
    shell: Omit[str] = ""
    grpc: Omit[str] = ""
    grpc_use_tls: Omit[bool] = False
    alias_node: Omit[str] = ""
    alias_service: Omit[str] = ""
    ttl: Omit[Duration] = 0


class HealthCheck(Row, frozen=True, kw_only=True):
    """One check of a node (``service_id`` empty) or of a service instance."""

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = CRITICAL
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] | None = None
    type: str = ""
    definition: Unfiltered[CheckDefinition] = CheckDefinition()
    create_index: Unfiltered[int] = 0
    modify_index: Unfiltered[int] = 0


class CheckServiceNode(Row, frozen=True, kw_only=True):
    """An instance with its node and every check that bears on it. Source: /v1/health/service."""

    node: Node
    service: NodeService
    checks: tuple[HealthCheck, ...] = msgspec.field(default=())


def aggregate_status(checks: tuple[HealthCheck, ...]) -> str:
    """The worst status of checks: maintenance, critical, warning, passing (also for none)."""
    worst = PASSING
    for check in checks:
        if check.check_id == NODE_MAINTENANCE or check.check_id.startswith(
            SERVICE_MAINTENANCE_PREFIX
        ):
            return MAINTENANCE
        if check.status == CRITICAL:
            worst = CRITICAL
        elif check.status == WARNING and worst == PASSING:
            worst = WARNING
    return worst
