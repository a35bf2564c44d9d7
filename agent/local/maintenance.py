"""Maintenance modes: a check that is always critical, on the node or on one service."""

from catalog.rows.check import (
    CRITICAL,
    NODE_MAINTENANCE,
    SERVICE_MAINTENANCE_PREFIX,
    HealthCheck,
)
from catalog.rows.service import NodeService


def maintenance_id(service: NodeService | None) -> str:
    """The check's ID for a service, or for the node."""
    return f"{SERVICE_MAINTENANCE_PREFIX}{service.id}" if service else NODE_MAINTENANCE


def maintenance_check(node: str, service: NodeService | None, reason: str) -> HealthCheck:
    """The check that takes a service, or the whole node, out of use."""
    what = "service" if service else "node"
    default_reason = (
        f"Maintenance mode is enabled for this {what}, but no reason was provided. "
        "This is a default message."
    )
    return HealthCheck(
        node=node,
        check_id=maintenance_id(service),
        name=f"{what.capitalize()} Maintenance Mode",
        status=CRITICAL,
        notes=reason or default_reason,
        service_id=service.id if service else "",
        service_name=service.service if service else "",
        service_tags=service.tags if service else None,
        type="maintenance",
    )
