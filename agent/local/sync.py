"""Anti-entropy: keeps the catalog's rows of this node equal to the node's own registrations.

A local change is written at once; now and then the whole of the catalog's rows is compared. What
the catalog holds of this node and the node does not know is removed, apart from what the servers
write themselves. Source: Consul's anti-entropy.

    start ──► full ──► wait ──► change ──► partial ──► wait
               ▲        │ interval, or the catalog's rows changed
               └────────┘          any failure: full again after a pause
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import ceil, log2
from typing import Final, Protocol

import msgspec
import structlog

from agent.local.difference import same_check, same_node, same_service
from agent.local.pending import Gone
from agent.local.state import LocalState
from catalog.errors import CatalogError, NotFound, PermissionDenied
from catalog.rows.check import SERF_HEALTH, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService

FULL_SYNC_INTERVAL_S: Final = 60.0  # Consul's interval for up to SCALE_NODES nodes
RETRY_INTERVAL_S: Final = 15.0  # Consul's pause after a failed full sync
RETRY_FIRST_S: Final = 0.5  # an election takes a second or two; doubled up to the above
SERVER_UP_STAGGER_S: Final = 3.0  # Consul's spread of full syncs when a server appears
CATALOG_CHANGE_DELAY_S: Final = 2.0  # seconds are promised; our own writes come back as changes too
SCALE_NODES: Final = 128  # from here on the interval grows, so that servers see a steady load
CONSUL_SERVICE_ID: Final = "consul"  # written by the servers for themselves

_log = structlog.get_logger("agent.local")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One write to the catalog: the node, one service, and any of its checks."""

    node: Node
    skip_node_update: bool = False
    service: NodeService | None = None
    checks: tuple[HealthCheck, ...] = ()
    token: str = ""


class Catalog(Protocol):
    """The servers' catalog, as far as this node writes and reads it.

    Calls raise CatalogError when the catalog refuses, anything else when no server answers.
    """

    async def register(self, registration: Registration) -> None:
        """Write a registration."""

    async def deregister(
        self, node: str, *, service_id: str = "", check_id: str = "", token: str = ""
    ) -> None:
        """Remove a service with its checks, or a check."""

    async def node_services(self, node: str) -> tuple[Node | None, tuple[NodeService, ...]]:
        """The node, if it is known, and its services."""

    async def node_checks(self, node: str) -> tuple[HealthCheck, ...]:
        """The checks of the node and of its services."""


class SyncTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between full syncs, after a failure, and after a change of the catalog."""

    interval_s: float = FULL_SYNC_INTERVAL_S
    retry_s: float = RETRY_INTERVAL_S
    catalog_change_delay_s: float = CATALOG_CHANGE_DELAY_S


_DEFAULT_TIMING: Final = SyncTiming()


class LocalSync:
    """Runs the sync. ``node`` gives this node's row, ``cluster_size`` the number of members."""

    def __init__(
        self,
        *,
        state: LocalState,
        catalog: Catalog,
        node: Callable[[], Node],
        now_s: Callable[[], float],
        cluster_size: Callable[[], int] = lambda: 1,
        timing: SyncTiming = _DEFAULT_TIMING,
    ) -> None:
        self._state = state
        self._catalog = catalog
        self._node = node
        self._now_s = now_s
        self._cluster_size = cluster_size
        self._timing = timing
        self._wake = asyncio.Event()
        self._full_due_s = 0.0
        self._failure_count = 0
        self._is_refused = False
        state.pending.on_change = self._wake.set

    def catalog_changed(self) -> None:
        """The catalog's rows of this node changed: compare them within seconds."""
        self._bring_forward(self._timing.catalog_change_delay_s)

    def server_appeared(self) -> None:
        """A server joined: it may hold an older catalog, or end a failure."""
        self._failure_count = 0
        self._bring_forward(self._state.rng.random() * SERVER_UP_STAGGER_S)

    def node_changed(self) -> None:
        """This node's own row changed, such as its metadata."""
        self._state.pending.node = True
        self._wake.set()

    def _bring_forward(self, delay_s: float) -> None:
        if not self._failure_count:
            self._full_due_s = min(self._full_due_s, self._now_s() + delay_s)
            self._wake.set()

    async def run(self) -> None:
        """Sync until cancelled."""
        self._full_due_s = self._now_s()
        while True:
            await self._wait()
            # All changes of one loop turn go out together.
            await asyncio.sleep(0)
            is_full = self._full_due_s <= self._now_s()
            try:
                if is_full:
                    await self.sync_full()
                else:
                    await self.sync_changes()
            except Exception as error:  # noqa: BLE001 - whatever the servers do, the loop survives
                _log.warning("sync with the catalog failed", error=str(error) or repr(error))
                self._full_due_s = self._now_s() + self._retry_s()
                self._failure_count += 1
            else:
                self._failure_count = 0
                if is_full:
                    self._full_due_s = self._now_s() + self._next_full_s()
                if self._is_refused:
                    self._is_refused = False
                    self._bring_forward(self._timing.retry_s * (1 + self._state.rng.random()))

    async def _wait(self) -> None:
        """Until there is something to write or compare."""
        while (delay_s := self._due_s() - self._now_s()) > 0:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()

    def _due_s(self) -> float:
        """When the next sync is to run. While servers fail, changes wait for the retry."""
        pending = self._state.pending
        if self._failure_count:
            return self._full_due_s
        if not pending.is_empty:
            return self._now_s()
        return min(self._full_due_s, pending.next_due_s or self._full_due_s)

    def _retry_s(self) -> float:
        doublings = min(self._failure_count, 10)  # far beyond the longest pause
        pause_s = min(self._timing.retry_s, RETRY_FIRST_S * (1 << doublings))
        return pause_s * (1 + self._state.rng.random())

    def _next_full_s(self) -> float:
        interval_s = self._timing.interval_s * scale_factor(self._cluster_size())
        return interval_s * (1 + self._state.rng.random())

    async def sync_full(self) -> None:
        """Read the catalog's rows of this node, find every difference and write it."""
        name = self._node().node
        node, services = await self._catalog.node_services(name)
        checks = await self._catalog.node_checks(name)
        # No await between the comparison and the marks.
        find_differences(
            self._state, self._node(), CatalogRows(node=node, services=services, checks=checks)
        )
        await self.sync_changes()

    async def sync_changes(self) -> None:
        """Write the differences that are known."""
        pending = self._state.pending
        pending.release_due(self._now_s())
        for service_id in sorted(pending.gone_services):
            await self._deregister_service(service_id)
        for check_id in sorted(pending.gone_checks):
            await self._deregister_check(check_id)
        beside = self._checks_by_service()
        for service_id in sorted(pending.services):
            await self._register_service(service_id, beside.get(service_id, ()))
        for check_id in sorted(pending.checks):
            await self._register_check(check_id)
        if pending.node:
            await self._register(Registration(node=self._node()))
            _log.info("synced node")

    def _checks_by_service(self) -> dict[str, list[str]]:
        """The out-of-sync checks by the ID of their service."""
        found: dict[str, list[str]] = {}
        for check_id in sorted(self._state.pending.checks):
            service_id = self._state.checks[check_id].check.service_id
            found.setdefault(service_id, []).append(check_id)
        return found

    async def _deregister_service(self, service_id: str) -> None:
        gone = self._state.pending.gone_services
        row = gone.get(service_id)
        if row is None:
            return
        await self._deregister(row, service_id=service_id)
        if gone.get(service_id) is row:
            del gone[service_id]
            self._state.pending.forget_checks_of(service_id)

    async def _deregister_check(self, check_id: str) -> None:
        gone = self._state.pending.gone_checks
        row = gone.get(check_id)
        if row is None:
            return
        await self._deregister(row, check_id=check_id)
        if gone.get(check_id) is row:
            del gone[check_id]

    async def _deregister(self, row: Gone, *, service_id: str = "", check_id: str = "") -> None:
        log = _log.bind(service=row.service_id, check=check_id)
        try:
            await self._catalog.deregister(
                self._node().node, service_id=service_id, check_id=check_id, token=row.token
            )
        except NotFound:
            pass  # what was wanted
        except CatalogError as error:
            log.warning("deregistration refused", error=str(error))
        else:
            log.info("deregistered")

    async def _register_service(self, service_id: str, check_ids: Iterable[str]) -> None:
        pending, state = self._state.pending, self._state
        entry = state.services.get(service_id)
        if entry is None or service_id not in pending.services:
            return
        # Those that the service's own token may write.
        checks = {
            check_id: state.checks[check_id].check
            for check_id in check_ids
            if check_id in pending.checks
            and state.checks[check_id].token == entry.token
            and state.checks[check_id].check.service_id == service_id
        }
        registration = Registration(
            node=self._node(),
            skip_node_update=not pending.node,
            service=entry.service,
            checks=tuple(checks.values()),
            token=entry.token,
        )
        if await self._register(registration):
            _log.info("synced service", service=service_id)
        if state.services.get(service_id) is entry:
            pending.services.discard(service_id)
        for check_id, check in checks.items():
            self._check_is_written(check_id, check)

    async def _register_check(self, check_id: str) -> None:
        pending = self._state.pending
        entry = self._state.checks.get(check_id)
        if entry is None or check_id not in pending.checks:
            return
        registration = Registration(
            node=self._node(),
            skip_node_update=not pending.node,
            service=self._service_beside(entry.check.service_id),
            checks=(entry.check,),
            token=entry.token,
        )
        if await self._register(registration):
            _log.info("synced check", check=check_id)
        self._check_is_written(check_id, entry.check)

    def _service_beside(self, service_id: str) -> NodeService | None:
        """The service that goes along with a check, in case the catalog has lost it.

        Not one whose tags others set: ours may be older than theirs.
        """
        entry = self._state.services.get(service_id)
        if entry is None or entry.service.enable_tag_override:
            return None
        return entry.service

    def _check_is_written(self, check_id: str, check: HealthCheck) -> None:
        current = self._state.checks.get(check_id)
        if current is not None and current.check is check:
            self._state.pending.checks.discard(check_id)

    async def _register(self, registration: Registration) -> bool:
        """Write. A refusal of one row must not keep the others from being written: it is logged,
        and tried again by the next full sync.
        """
        is_node_written = not registration.skip_node_update
        try:
            await self._catalog.register(registration)
        except CatalogError as error:
            service = registration.service.id if registration.service else ""
            _log.warning("registration refused", service=service, error=str(error))
            # Rights change seldom; anything else may mean that our view of the catalog is old.
            self._is_refused = self._is_refused or not isinstance(error, PermissionDenied)
            if registration.service is None and not registration.checks:
                self._state.pending.node = False
            return False
        if is_node_written and same_node(self._node(), registration.node):
            self._state.pending.node = False
        return True


class CatalogRows(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog holds of this node."""

    node: Node | None
    services: tuple[NodeService, ...]
    checks: tuple[HealthCheck, ...]


def find_differences(state: LocalState, node: Node, rows: CatalogRows) -> None:
    """Mark in ``state.pending`` exactly what the catalog lacks, has otherwise, or has too much."""
    pending = state.pending
    pending.node = rows.node is None or not same_node(node, rows.node)

    theirs = {service.id: service for service in rows.services}
    pending.gone_services = {
        service_id: pending.gone_services.get(service_id, Gone(service_id))
        for service_id in theirs
        if service_id not in state.services and service_id != CONSUL_SERVICE_ID
    }
    pending.services = set()
    for service_id, entry in state.services.items():
        copy = theirs.get(service_id)
        if copy is not None and entry.service.enable_tag_override:
            if (copy.tags or ()) != (entry.service.tags or ()):
                state.adopt_tags(service_id, copy.tags)
            entry = state.services[service_id]  # noqa: PLW2901 - with the tags adopted
        if copy is None or not same_service(entry.service, copy):
            pending.services.add(service_id)

    their_checks = {check.check_id: check for check in rows.checks}
    pending.gone_checks = {
        check_id: pending.gone_checks.get(check_id, Gone(check.service_id))
        for check_id, check in their_checks.items()
        if check_id not in state.checks and check_id != SERF_HEALTH
    }
    pending.checks = set()
    for check_id, local in state.checks.items():
        check = their_checks.get(check_id)
        is_deferred = check_id in pending.deferred
        if check is None or not same_check(local.check, check, ignore_output=is_deferred):
            pending.deferred.pop(check_id, None)
            pending.checks.add(check_id)


def scale_factor(node_count: int) -> int:
    """By how much the interval grows with the cluster: 1 up to 128 nodes, then by doublings."""
    if node_count <= SCALE_NODES:
        return 1
    return ceil(log2(node_count) - log2(SCALE_NODES)) + 1
