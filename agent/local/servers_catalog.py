"""The servers' catalog as this node's anti-entropy and its alias checks see it."""

from collections.abc import Callable, Sequence

from agent.local.state import LocalState
from agent.local.sync import Registration
from agent.rpc.any_router import AnyRouter
from agent.rpc.endpoints.catalog import CatalogDeregister, CatalogRegister, NodeServices
from agent.rpc.endpoints.health import NodeChecks
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService


class ServersCatalog:
    """Implements the sync's Catalog over the router."""

    def __init__(self, router: AnyRouter) -> None:
        self._router = router

    async def register(self, registration: Registration) -> None:
        """Write a registration."""
        await self._router.call(
            CatalogRegister(
                node=registration.node,
                skip_node_update=registration.skip_node_update,
                service=registration.service,
                checks=registration.checks,
                token=registration.token,
            )
        )

    async def deregister(
        self, node: str, *, service_id: str = "", check_id: str = "", token: str = ""
    ) -> None:
        """Remove a service with its checks, or a check."""
        await self._router.call(
            CatalogDeregister(node=node, service_id=service_id, check_id=check_id, token=token)
        )

    async def node_services(self, node: str) -> tuple[Node | None, tuple[NodeService, ...]]:
        """The node, if it is known, and its services."""
        found = (await self._router.call(NodeServices(node=node))).value
        return (None, ()) if found is None else (found.node, tuple(found.services))

    async def node_checks(self, node: str) -> tuple[HealthCheck, ...]:
        """The checks of the node and of its services."""
        return tuple((await self._router.call(NodeChecks(node=node))).value)


class AliasLookup:
    """Implements the alias checks' Lookup over local state and the router."""

    def __init__(self, state: LocalState, router: AnyRouter) -> None:
        self._state = state
        self._router = router

    def local_checks(self) -> Sequence[HealthCheck]:
        """Every check of this agent."""
        return self._state.local_checks()

    def has_local_service(self, service_id: str) -> bool:
        """Whether the instance is registered with this agent."""
        return self._state.has_local_service(service_id)

    def watch_local(self, service_id: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change that bears on the instance."""
        return self._state.watch_local(service_id, changed)

    async def node_checks(
        self, node: str, *, token: str, index_min: int
    ) -> tuple[int, Sequence[HealthCheck]]:
        """The node's checks and their index, once that is above ``index_min``."""
        reply = await self._router.call(NodeChecks(node=node, token=token, min_index=index_min))
        return reply.index, reply.value

    async def node_has_service(self, node: str, service_id: str, *, token: str) -> bool:
        """Whether the catalog has the instance on the node."""
        found = (await self._router.call(NodeServices(node=node, token=token))).value
        return found is not None and any(row.id == service_id for row in found.services)
