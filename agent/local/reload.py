"""What the configuration files define, against what is registered: at start and at reload.

``plan_reload`` is pure and either stands as a whole or refuses. ``resume`` brings back what earlier
API calls left on disk; definitions of the same ID in the configuration win.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from agent.local.definitions import CheckDefinition, ServiceDefinition
from agent.local.errors import BadDefinition, LocalFault
from agent.local.persist import LocalFiles
from agent.local.ports import PortRange, SidecarPorts
from agent.local.registration import PlannedCheck, PlannedService, plan_check, plan_service
from agent.local.state import LOCAL, LocalCheck, LocalService, LocalState
from catalog.rows.service import NodeService

_INVALID_CHECK: Final = "Invalid check: "

_log = structlog.get_logger("agent.local")


class Settings(PortRange, Protocol):
    """The part of the settings that is used."""

    @property
    def node(self) -> str:
        """The name of this node."""


class ReloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload puts and removes."""

    services: tuple[PlannedService, ...]
    checks: tuple[PlannedCheck, ...]
    service_ids_gone: tuple[str, ...]
    check_ids_gone: tuple[str, ...]

    @property
    def all_checks(self) -> list[PlannedCheck]:
        """The checks alone and those of services."""
        return [*self.checks, *(check for service in self.services for check in service.checks)]


def plan_reload(
    state: LocalState,
    settings: Settings,
    services: Sequence[ServiceDefinition],
    checks: Sequence[CheckDefinition],
) -> ReloadPlan:
    """What has to change so that the configuration's registrations are these.

    Raises BadDefinition or LocalFault, naming the service or check.
    """
    ports = SidecarPorts(state.services, settings)
    planned = {
        plan.service.id: plan
        for definition in services
        for plan in _plan_service(definition, settings.node, ports)
    }
    gone = [
        service_id
        for service_id, entry in state.services.items()
        if entry.source == LOCAL and service_id not in planned
    ]
    known = {
        service_id: entry.service
        for service_id, entry in state.services.items()
        if service_id not in gone
    } | {service_id: plan.service for service_id, plan in planned.items()}
    planned_checks: dict[str, PlannedCheck] = {}
    for definition in checks:
        service_id = definition.service_id
        if service_id and service_id not in known:
            message = f'Failed to register check "{definition.name}": '
            raise LocalFault(message + f'ServiceID "{service_id}" does not exist')
        plan = _plan_check(definition, settings.node, known.get(service_id))
        planned_checks[plan.check.check_id] = plan
    kept = {
        check.check.check_id for service in planned.values() for check in service.checks
    } | planned_checks.keys()
    return ReloadPlan(
        services=tuple(planned.values()),
        checks=tuple(planned_checks.values()),
        service_ids_gone=tuple(gone),
        check_ids_gone=tuple(
            check_id
            for check_id, entry in state.checks.items()
            if entry.source == LOCAL and check_id not in kept and entry.check.service_id not in gone
        ),
    )


def _plan_service(
    definition: ServiceDefinition, node: str, ports: SidecarPorts
) -> tuple[PlannedService, ...]:
    try:
        return plan_service(definition, node, ports.choose)
    except BadDefinition as fault:
        text = str(fault)
        what = "checks for service" if text.startswith(_INVALID_CHECK) else "service"
        message = (
            f'Failed to validate {what} "{definition.name or definition.id}": '
            f"{text.removeprefix(_INVALID_CHECK)}"
        )
        raise BadDefinition(message) from None


def _plan_check(
    definition: CheckDefinition, node: str, service: NodeService | None
) -> PlannedCheck:
    try:
        return plan_check(definition, node, service)
    except BadDefinition as fault:
        message = f'Failed to validate check "{definition.name}": {fault}'
        raise BadDefinition(message) from None


Resume = Callable[[LocalCheck], None]
"""Registers a check from disk and runs it; raises LocalFault for one that may not run."""


def resume(state: LocalState, files: LocalFiles, *, put_check: Resume) -> None:
    """Register what is on disk; what the configuration defines, or nothing can run, is removed."""
    for service in files.services():
        service_id = service.service.id
        if _is_configured(state.services.get(service_id)):
            _log.debug("service is defined in the configuration", service=service_id)
            _forget(files.remove_service, service_id)
        else:
            state.put_service(service)
    for check in files.checks():
        check_id = check.check.check_id
        fault = ""
        if _is_configured(state.checks.get(check_id)):
            fault = "it is defined in the configuration"
        elif check.check.service_id and check.check.service_id not in state.services:
            fault = "its service is not registered"
        else:
            try:
                put_check(check)
            except LocalFault as error:
                fault = str(error)
        if fault:
            _log.warning("check is not restored", check=check_id, reason=fault)
            _forget(files.remove_check, check_id)


def _is_configured(entry: LocalService | LocalCheck | None) -> bool:
    return entry is not None and entry.source == LOCAL


def _forget(remove: Callable[[str], None], row_id: str) -> None:
    try:
        remove(row_id)
    except OSError as error:
        _log.warning("a stale file stays", error=str(error))
