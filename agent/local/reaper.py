"""Deregisters services that have been critical for longer than one of their checks allows.

Checks of the node itself never remove anything. Source: Consul's
``deregister_critical_service_after``, with its floor of one minute and its pass every 30 s.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from agent.local.agent import LocalAgent
from agent.local.state import LocalState
from catalog.duration import SECOND

REAP_INTERVAL_S: Final = 30.0  # Consul's check_reap_interval
REAP_FLOOR_S: Final = 60.0  # Consul's floor: a restart of the service must not remove it

_log = structlog.get_logger("agent.local")


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """A service to deregister, and the check that says so."""

    service_id: str
    check_id: str


def overdue(state: LocalState, *, now_s: float, floor_s: float = REAP_FLOOR_S) -> list[Overdue]:
    """The services to deregister at ``now_s``, each once."""
    found: dict[str, Overdue] = {}
    for check_id, entry in state.checks.items():
        definition, service_id = entry.definition, entry.check.service_id
        if definition is None or not service_id or entry.critical_since_s is None:
            continue
        after_ns = definition.deregister_critical_service_after_ns
        allowed_s = max(after_ns / SECOND, floor_s)
        if after_ns > 0 and now_s - entry.critical_since_s > allowed_s:
            found.setdefault(service_id, Overdue(service_id=service_id, check_id=check_id))
    return list(found.values())


async def reap(
    local: LocalAgent, *, interval_s: float = REAP_INTERVAL_S, floor_s: float = REAP_FLOOR_S
) -> None:
    """Deregister overdue services until cancelled."""
    while True:
        await asyncio.sleep(interval_s)
        for each in overdue(local.state, now_s=local.now_s(), floor_s=floor_s):
            _log.info("service critical for too long", service=each.service_id, check=each.check_id)
            try:
                local.deregister_service(each.service_id)
            except OSError as error:
                _log.warning("deregistration failed", service=each.service_id, error=str(error))
