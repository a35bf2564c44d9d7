"""Alias check: takes over the health of another service instance or of a node.

On this agent it follows the local checks as they change. On another node it follows the
catalog with blocking queries, through the ``Lookup`` that the agent gives.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.output import head
from catalog.rows.check import CRITICAL, PASSING, WARNING, HealthCheck

REFRESH_S: Final = 60.0  # look again even if no change was told; as Consul
FAILURES_BEFORE_BACKOFF: Final = 3  # a leader election is over within this many tries
BACKOFF_MAX_S: Final = 60.0  # doubled from 1 s up to here

_log = structlog.get_logger("agent.checks.alias")


class Lookup(Protocol):
    """Where an alias finds the checks that it follows."""

    def local_checks(self) -> Sequence[HealthCheck]:
        """Every check of this agent."""
        ...

    def has_local_service(self, service_id: str) -> bool:
        """Whether the instance is registered with this agent."""
        ...

    def watch_local(self, service_id: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change that bears on the instance; returns what ends that."""
        ...

    async def node_checks(
        self, node: str, *, token: str, index_min: int
    ) -> tuple[int, Sequence[HealthCheck]]:
        """The node's checks and their index, once that index is above ``index_min``."""
        ...

    async def node_has_service(self, node: str, service_id: str, *, token: str) -> bool:
        """Whether the catalog has the instance on the node."""
        ...


class AliasWatch:
    """Follows what one definition names and reports every finding."""

    def __init__(
        self,
        definition: CheckType,
        lookup: Lookup,
        report: Callable[[Outcome], None],
        output_bytes: int,
    ) -> None:
        self._definition = definition
        self._lookup = lookup
        self._report = report
        self._output_bytes = output_bytes

    async def run(self) -> None:
        """Follow until cancelled."""
        if self._definition.alias_node:
            await self._follow_node()
        else:
            await self._follow_local()

    async def _follow_local(self) -> None:
        service_id = self._definition.alias_service
        changed = asyncio.Event()
        unwatch = self._lookup.watch_local(service_id, changed.set)
        try:
            while True:
                changed.clear()
                self._tell(
                    self._lookup.local_checks(),
                    service_exists=self._lookup.has_local_service(service_id),
                )
                try:
                    async with asyncio.timeout(REFRESH_S):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            unwatch()

    async def _follow_node(self) -> None:
        index = failures = 0
        while True:
            try:
                index = await self._ask_node(index)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a failed query must not end the watch
                failures += 1
                index = 0
                _log.warning(
                    "alias query failed",
                    check=self._definition.check_id,
                    node=self._definition.alias_node,
                    error=str(error),
                )
                await asyncio.sleep(backoff_s(failures))

    async def _ask_node(self, index_min: int) -> int:
        """Wait for checks newer than ``index_min``, report on them and return their index."""
        node, service_id = self._definition.alias_node, self._definition.alias_service
        token = self._definition.token
        index, checks = await self._lookup.node_checks(node, token=token, index_min=index_min)
        service_exists = not service_id or await self._lookup.node_has_service(
            node, service_id, token=token
        )
        self._tell(checks, service_exists=service_exists)
        # An index that went back (a restored snapshot) starts the watch over.
        return index if index >= index_min else 0

    def _tell(self, checks: Sequence[HealthCheck], *, service_exists: bool) -> None:
        outcome = aliased(self._definition, checks, service_exists=service_exists)
        self._report(Outcome(outcome.status, head(outcome.output, self._output_bytes)))


def aliased(
    definition: CheckType, checks: Sequence[HealthCheck], *, service_exists: bool
) -> Outcome:
    """The health that ``definition`` takes over from ``checks``.

    The node's own checks count as well as those of the instance; the worst decides, and among
    equals the first. The alias itself never counts: it would keep itself critical.
    """
    followed = [
        check
        for check in checks
        if check.service_id in {"", definition.alias_service}
        and check.check_id != definition.check_id
    ]
    service_id = definition.alias_service
    if service_id and not service_exists and all(not check.service_id for check in followed):
        return critical(f"Service {service_id} could not be found on node {definition.alias_node}")
    for status in (CRITICAL, WARNING):
        for check in followed:
            if check.status == status:
                return Outcome(status, f'Aliased check "{check.name}" failing: {check.output}')
    return Outcome(PASSING, "All checks passing.") if followed else passing("No checks found.")


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    doublings = max(0, failures - FAILURES_BEFORE_BACKOFF)
    return min(BACKOFF_MAX_S, float(1 << min(doublings, 10)))
