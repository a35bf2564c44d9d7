"""The DNS front door's catalog: the endpoints that HTTP uses too, read in stale mode."""

from collections.abc import Callable, Hashable
from typing import Any, Final

from agent.dns.directory import (
    AddressOwner,
    Cancel,
    DirectoryError,
    Found,
    NoLeader,
    QueryAnswer,
    ServiceKind,
    Subscribe,
    UnknownDatacenter,
)
from agent.rpc import request as rpc
from agent.rpc.any_router import AnyRouter
from agent.rpc.endpoints.catalog import NodeByAddress, NodeServices
from agent.rpc.endpoints.health import HealthServiceNodes, Lookup
from agent.rpc.endpoints.query import QueryExecute
from agent.rpc.remote_router import NotLocal
from agent.rpc.request import Consistency, ReadRequest
from catalog.errors import CatalogError, NotFound
from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Node

_STALE: Final = Consistency.STALE


class RpcDirectory:
    """Implements agent.dns.directory.Directory over the router."""

    def __init__(self, router: AnyRouter) -> None:
        self._router = router

    @property
    def is_current(self) -> bool:
        """Whether an answer that is kept, and whose rows have not changed, may be given again."""
        return self._router.sees_own_writes

    async def service_nodes(
        self, name: str, tags: tuple[str, ...], kind: ServiceKind, datacenter: str
    ) -> Found[tuple[CheckServiceNode, ...]]:
        """Instances that carry every tag."""
        value, on_change = await self._read(
            HealthServiceNodes(
                service=name,
                lookup=Lookup(kind),
                tags=tags,
                datacenter=datacenter,
                consistency=_STALE,
            )
        )
        return Found(tuple(value), on_change)

    async def node(self, name: str, datacenter: str) -> Found[Node | None]:
        """The node of that name."""
        value, on_change = await self._read(
            NodeServices(node=name, datacenter=datacenter, consistency=_STALE)
        )
        return Found(None if value is None else value.node, on_change)

    async def by_address(self, address: str) -> Found[AddressOwner | None]:
        """Who has an address."""
        value, on_change = await self._read(NodeByAddress(address=address, consistency=_STALE))
        datacenter = self._router.context.datacenter
        if value.node is not None:
            return Found(AddressOwner("node", value.node.node, datacenter), on_change)
        if value.service is not None:
            return Found(AddressOwner("service", value.service, datacenter), on_change)
        return Found(None, on_change)

    async def query(
        self, name_or_id: str, datacenter: str, source_address: str, limit: int
    ) -> Found[QueryAnswer | None]:
        """Run a prepared query; its order is random or by distance, so it is not kept."""
        try:
            value, _ = await self._read(
                QueryExecute(
                    name_or_id=name_or_id,
                    source_address=source_address,
                    limit=limit,
                    datacenter=datacenter,
                    consistency=_STALE,
                )
            )
        except NotFound:
            return Found(None)
        return Found(
            QueryAnswer(
                service=value.service,
                datacenter=value.datacenter,
                nodes=tuple(value.nodes),
                ttl=value.dns.ttl,
                ordered=value.ordered,
            )
        )

    async def servers(self, datacenter: str) -> Found[tuple[CheckServiceNode, ...]]:
        """The servers' own service."""
        return await self.service_nodes("consul", (), "service", datacenter)

    async def _read(self, request: ReadRequest) -> tuple[Any, Subscribe | None]:
        """A read's value and how to hear of its changes; None where it cannot be heard of."""
        router = self._router
        try:
            try:
                reply, read = router.read_now(request)
            except NotLocal:
                return (await router.call(request)).value, None
        except rpc.NoPathToDatacenter:
            raise UnknownDatacenter from None
        except rpc.NoLeader:
            raise NoLeader from None
        except NotFound:
            raise
        except (rpc.RpcError, CatalogError) as error:
            raise DirectoryError(str(error)) from None
        return reply.value, _subscriber(router, read.watched, router.changes)


def _subscriber(router: AnyRouter, watched: list[Hashable], changes: int) -> Subscribe:
    def subscribe(changed: Callable[[], None]) -> Cancel:
        if router.changes != changes:
            # Something was applied since the read; whether it bears on the answer is not known.
            changed()
            return _nothing
        router.watch(watched, changed)
        return lambda: router.unwatch(watched, changed)

    return subscribe


def _nothing() -> None:
    """End a subscription that was never made."""
