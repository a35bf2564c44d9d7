"""The registrations of this node as the API and the configuration use them: one facade.

It plans and checks a whole request first and only then changes anything: files, state, running
checks. Nothing here waits, so that no other request comes between. Source: Consul API, /v1/agent.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from agent.checks.definition import CheckType
from agent.checks.ttl import NoTtl, TtlState
from agent.clock import monotonic_s, wall_s
from agent.local.definitions import CheckDefinition, ServiceDefinition
from agent.local.errors import LocalFault, UnknownRegistration
from agent.local.maintenance import maintenance_check, maintenance_id
from agent.local.persist import LocalFiles
from agent.local.ports import SIDECAR_PORT_MAX, SIDECAR_PORT_MIN, SidecarPorts
from agent.local.registration import (
    SIDECAR_SUFFIX,
    PlannedCheck,
    PlannedService,
    plan_check,
    plan_service,
)
from agent.local.reload import plan_reload, resume
from agent.local.state import (
    LOCAL,
    REMOTE,
    LocalCheck,
    LocalService,
    LocalState,
    Source,
    content_hash,
)
from agent.local.validation import is_dns_label, validate_check
from catalog.rows.check import CRITICAL, HealthCheck

SCRIPTS_OFF_REMOTE: Final = (
    "Scripts are disabled on this agent from remote calls; "
    "to enable, configure 'enable_script_checks' to true"
)
SCRIPTS_OFF: Final = (
    "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
    "'enable_local_script_checks' to true"
)

_log = structlog.get_logger("agent.local")


class Runner(Protocol):
    """What runs the checks; ``agent.checks.runner.CheckRunner`` is it."""

    def start(self, definition: CheckType, *, resumed: TtlState | None = None) -> None:
        """Run a check in place of any of its ID; an equal one goes on undisturbed."""

    def stop(self, check_id: str) -> None:
        """End a check; unknown IDs are no error."""

    def report_ttl(self, check_id: str, status: str, output: str) -> None:
        """Take a service's word for its TTL check. Raises NoTtl."""

    def ttl_state(self, check_id: str) -> TtlState | None:
        """What to keep of a TTL check."""


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that bears on registrations; ports are inclusive, below 1 for none."""

    node: str
    sidecar_port_min: int = SIDECAR_PORT_MIN
    sidecar_port_max: int = SIDECAR_PORT_MAX
    enable_script_checks: bool = False
    enable_local_script_checks: bool = False


class LocalAgent:
    """This node's services and checks. ``data_dir`` None keeps nothing on disk."""

    def __init__(
        self,
        *,
        settings: LocalSettings,
        state: LocalState,
        runner: Runner,
        data_dir: Path | None = None,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self.settings = settings
        self.state = state
        self._runner = runner
        self._files = LocalFiles(data_dir)
        self.now_s = now_s

    # Reading

    def service(self, service_id: str) -> LocalService | None:
        """A service by its ID."""
        return self.state.services.get(service_id)

    def services(self) -> Mapping[str, LocalService]:
        """Every service by its ID."""
        return self.state.services

    def checks(self) -> Mapping[str, LocalCheck]:
        """Every check by its ID."""
        return self.state.checks

    def health_checks(self, service_id: str) -> list[HealthCheck]:
        """What bears on a service's health: the node's own checks and its own."""
        return [*self.state.checks_of(""), *self.state.checks_of(service_id)]

    async def service_after(self, service_id: str, known_hash: str, wait_s: float) -> None:
        """Wait until the service's content differs from ``known_hash``, or is gone, or too long."""
        changed = asyncio.Event()
        unsubscribe = self.state.subscribe(
            lambda changed_id: changed.set() if changed_id == service_id else None
        )
        try:
            async with asyncio.timeout(wait_s):
                while (entry := self.service(service_id)) is not None and (
                    content_hash(entry.service) == known_hash
                ):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            unsubscribe()

    # Registrations over the API

    def register_service(
        self, definition: ServiceDefinition, *, replace_checks: bool = False, token: str = ""
    ) -> None:
        """Register a service with its checks and sidecar, or replace it.

        Earlier checks stay unless ``replace_checks``. Raises BadDefinition, LocalFault or OSError
        and then has changed nothing.
        """
        # A token in the body is for configuration files; the caller's own counts.
        definition = msgspec.structs.replace(definition, token=token)
        ports = SidecarPorts(self.state.services, self.settings)
        plans = plan_service(definition, self.settings.node, ports.choose)
        self._guard_scripts((check.definition for plan in plans for check in plan.checks), REMOTE)
        warn_of_names(definition)
        for plan in plans:
            for entry in self._new_checks(plan.checks, REMOTE):
                self._files.write_check(entry)
            self._files.write_service(_local_service(plan, REMOTE))
        for plan in plans:
            self._put_service(plan, REMOTE)
            if replace_checks:
                self._remove_other_checks(plan)

    def deregister_service(self, service_id: str) -> None:
        """Remove a service with its checks and its sidecar; an unknown ID is only logged."""
        if not service_id:
            raise LocalFault("ServiceID missing")
        if service_id not in self.state.services:
            _log.warning("service to deregister is not registered", service=service_id)
            return
        sidecar = self.service(service_id + SIDECAR_SUFFIX)
        if sidecar is not None and sidecar.is_sidecar:
            self._remove_service(sidecar.service.id)
        self._remove_service(service_id)

    def register_check(self, definition: CheckDefinition, *, token: str = "") -> None:
        """Register a check of the node or of a service. Raises BadDefinition or LocalFault."""
        definition = msgspec.structs.replace(definition, token=token)
        entry = self.service(definition.service_id)
        plan = plan_check(definition, self.settings.node, entry.service if entry else None)
        if definition.service_id and entry is None:
            message = f'ServiceID "{definition.service_id}" does not exist'
            raise LocalFault(message)
        self._guard_scripts([plan.definition], REMOTE)
        for new in self._new_checks((plan,), REMOTE):
            self._files.write_check(new)
            self._put_check(new)

    def deregister_check(self, check_id: str) -> None:
        """Remove a check; an unknown ID is only logged."""
        if not check_id:
            raise LocalFault("CheckID missing")
        if check_id not in self.state.checks:
            _log.warning("check to deregister is not registered", check=check_id)
            return
        self._remove_check(check_id)

    def update_check(self, check_id: str, status: str, output: str) -> None:
        """Take a service's word for its TTL check. Raises LocalFault if it has no TTL."""
        try:
            self._runner.report_ttl(check_id, status, output)
        except NoTtl as fault:
            raise LocalFault(str(fault)) from None
        state = self._runner.ttl_state(check_id)
        if state is None:
            return
        try:
            self._files.write_ttl(state)
        except OSError as error:
            # The check counts now; only a restart would forget it.
            _log.warning("ttl state not written", check=check_id, error=str(error))

    def set_service_maintenance(
        self, service_id: str, *, enable: bool, reason: str = "", token: str = ""
    ) -> None:
        """Take a service out of use, or back. Raises UnknownRegistration."""
        entry = self.service(service_id)
        if entry is None:
            message = f'No service registered with ID "{service_id}"'
            raise UnknownRegistration(message)
        self._set_maintenance(entry, enable=enable, reason=reason, token=token)

    def set_node_maintenance(self, *, enable: bool, reason: str = "", token: str = "") -> None:
        """Take the whole node out of use, or back."""
        self._set_maintenance(None, enable=enable, reason=reason, token=token)

    # Registrations of configuration files

    def start(
        self, services: Sequence[ServiceDefinition], checks: Sequence[CheckDefinition]
    ) -> None:
        """Register what the configuration defines, then what earlier API calls left on disk.

        Raises BadDefinition or LocalFault for the configuration.
        """
        self._apply_configuration(services, checks)
        resume(self.state, self._files, put_check=self._resume_check)

    def reload(
        self, services: Sequence[ServiceDefinition], checks: Sequence[CheckDefinition]
    ) -> None:
        """Register what the configuration defines now; all or nothing.

        What was registered over the API stays. Raises LocalFault and then has changed nothing.
        """
        try:
            self._apply_configuration(services, checks)
        except LocalFault as fault:
            message = f"Failed reloading services: {fault}"
            raise LocalFault(message) from None

    def _apply_configuration(
        self, services: Sequence[ServiceDefinition], checks: Sequence[CheckDefinition]
    ) -> None:
        plan = plan_reload(self.state, self.settings, services, checks)
        self._guard_scripts((check.definition for check in plan.all_checks), LOCAL)
        for definition in services:
            warn_of_names(definition)
        for service_id in plan.service_ids_gone:
            self._remove_service(service_id)
        for check_id in plan.check_ids_gone:
            self._remove_check(check_id)
        for service in plan.services:
            self._files.remove_service(service.service.id)
            for check in service.checks:
                self._files.remove_check_definition(check.check.check_id)
            self._put_service(service, LOCAL)
        for entry in self._new_checks(plan.checks, LOCAL):
            self._files.remove_check_definition(entry.check.check_id)
            self._put_check(entry)

    # Steps

    def _resume_check(self, entry: LocalCheck) -> None:
        if entry.definition is not None:
            validate_check(entry.definition, "")
            self._guard_scripts([entry.definition], entry.source)
        self._put_check(msgspec.structs.replace(entry, check=_reset(entry.check)))

    def _guard_scripts(self, checks: Iterable[CheckType], source: Source) -> None:
        settings = self.settings
        is_allowed = settings.enable_script_checks or (
            source == LOCAL and settings.enable_local_script_checks
        )
        if not is_allowed and any(check.script_args for check in checks):
            raise LocalFault(SCRIPTS_OFF if source == LOCAL else SCRIPTS_OFF_REMOTE)

    def _put_service(self, plan: PlannedService, source: Source) -> None:
        self.state.put_service(_local_service(plan, source))
        for entry in self._new_checks(plan.checks, source):
            self._put_check(entry)

    def _new_checks(self, plans: Sequence[PlannedCheck], source: Source) -> list[LocalCheck]:
        """The planned checks, each with the last status of an earlier one of its ID."""
        entries = []
        for plan in plans:
            check = plan.check
            before = self.state.checks.get(check.check_id)
            if before is not None:
                check = msgspec.structs.replace(
                    check, status=before.check.status, output=before.check.output
                )
            entries.append(
                LocalCheck(check=check, definition=plan.definition, token=plan.token, source=source)
            )
        return entries

    def _put_check(self, entry: LocalCheck) -> None:
        resumed = self._ttl_state(entry)
        if resumed is not None:
            check = msgspec.structs.replace(
                entry.check, status=resumed.status, output=resumed.output
            )
            entry = msgspec.structs.replace(entry, check=check)
        self.state.put_check(entry, now_s=self.now_s())
        if entry.definition is not None:
            self._runner.start(entry.definition, resumed=resumed)

    def _ttl_state(self, entry: LocalCheck) -> TtlState | None:
        """What a former process was told of a TTL check that is new to this one."""
        check_id, definition = entry.check.check_id, entry.definition
        if check_id in self.state.checks or definition is None or definition.type_name != "ttl":
            return None
        return self._files.ttl_state(check_id, wall_s=wall_s())

    def _remove_other_checks(self, plan: PlannedService) -> None:
        kept = {check.check.check_id for check in plan.checks}
        for check in self.state.checks_of(plan.service.id):
            if check.check_id not in kept:
                self._remove_check(check.check_id)

    def _remove_service(self, service_id: str) -> None:
        for check in self.state.checks_of(service_id):
            self._remove_check(check.check_id)
        self.state.remove_service(service_id)
        self._files.remove_service(service_id)

    def _remove_check(self, check_id: str) -> None:
        self._runner.stop(check_id)
        self.state.remove_check(check_id)
        self._files.remove_check(check_id)

    def _set_maintenance(
        self, entry: LocalService | None, *, enable: bool, reason: str, token: str
    ) -> None:
        service = entry.service if entry else None
        check_id = maintenance_id(service)
        if enable == (check_id in self.state.checks):
            return
        if not enable:
            self._remove_check(check_id)
            return
        new = LocalCheck(check=maintenance_check(self.settings.node, service, reason), token=token)
        self._files.write_check(new)
        self._put_check(new)
        _log.info("maintenance mode enabled", check=check_id, reason=reason)


def _local_service(plan: PlannedService, source: Source) -> LocalService:
    return LocalService(
        service=plan.service, token=plan.token, source=source, is_sidecar=plan.is_sidecar
    )


def _reset(check: HealthCheck) -> HealthCheck:
    """A check from disk: whatever it was, it may have changed since."""
    return msgspec.structs.replace(check, status=CRITICAL, output="")


def warn_of_names(definition: ServiceDefinition) -> None:
    """Tell the operator which names DNS can never answer for; they are allowed all the same."""
    if not is_dns_label(definition.name):
        _log.warning("service name cannot be used in dns", service=definition.name)
    for tag in definition.tags or ():
        if not is_dns_label(tag):
            _log.debug("service tag cannot be used in dns", service=definition.name, tag=tag)
