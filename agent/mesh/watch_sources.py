"""Where each question is answered: a blocking read, this agent's certificates, a file, a URL.

``ask`` answers once, and blocks until there is news since ``index``; 0 answers at once. What has no
index is asked for again after a while. Source: Consul API, blocking queries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec.structs import replace

from agent.connect.leaf import Leaves
from agent.mesh.fetch import read_text
from agent.mesh.watch_questions import (
    Central,
    Chain,
    Datacenters,
    Entries,
    Entry,
    Gateways,
    Instances,
    KeySet,
    Leaf,
    Linked,
    Members,
    NodeCoordinate,
    Queried,
    Query,
    Question,
    Revoked,
    Roots,
    Sidecars,
    TextFile,
)
from agent.rpc.endpoints.catalog import GatewayServices
from agent.rpc.endpoints.chain import ChainGet
from agent.rpc.endpoints.config_entry import ConfigGet, ConfigList
from agent.rpc.endpoints.connect import CARevocationsGet, CARootsGet
from agent.rpc.endpoints.coordinate import CoordinateNode
from agent.rpc.endpoints.health import HealthServiceNodes, Lookup
from agent.rpc.endpoints.internal import ServiceDump
from agent.rpc.endpoints.query import QueryExecute, QueryOutcome
from agent.rpc.endpoints.server_state import ListDatacenters
from agent.rpc.endpoints.service_config import ServiceConfigGet
from agent.rpc.request import ReadRequest, Reply, Request
from catalog.rows.service import KIND_CONNECT_PROXY, KIND_MESH_GATEWAY

QUERY_INTERVAL_S: Final = 10.0  # Consul's pause between runs of a prepared query
COORDINATE_INTERVAL_S: Final = 60.0  # coordinates move slowly, and are told in steps
DATACENTERS_INTERVAL_S: Final = 30.0  # another datacenter is a rare event
FILE_INTERVAL_S: Final = 10.0  # such files are small
LEAF_WAIT_S: Final = 600.0  # one wait for a renewal

FetchText = Callable[[str, float], Awaitable[str]]
"""Gets the text at a URL within so many seconds. Raises OSError."""


class Calls(Protocol):
    """The cluster: the router of either kind of agent."""

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""


class Sources:
    """See the module. ``leaves`` is asked for when the first certificate is needed."""

    def __init__(self, router: Calls, leaves: Callable[[], Leaves], fetch: FetchText) -> None:
        self._router = router
        self._leaves = leaves
        self._fetch = fetch

    async def ask(self, question: Question[Any], token: str, index: int) -> Reply:
        """An answer with its index. Raises CatalogError, RpcError, OSError."""
        pause_s = _pause_s(question)
        if pause_s and index:
            await asyncio.sleep(pause_s)
        match question:
            case Leaf():
                return await self._leaf(question, token, index)
            case KeySet():
                return Reply(value=await self._fetch(question.uri, question.timeout_s))
            case TextFile():
                return Reply(value=await asyncio.to_thread(read_text, Path(question.path)))
            case _:
                known_index = 0 if pause_s else index
                request = replace(_request(question), token=token, min_index=known_index)
                reply = await self._router.call(request)
                return Reply(value=_value(question, reply.value), index=reply.index)

    async def _leaf(self, question: Leaf, token: str, index: int) -> Reply:
        served = await self._leaves().get(
            question.service, token, index, LEAF_WAIT_S, question.dns_names
        )
        return Reply(value=served.leaf, index=served.leaf.modify_index)


def _pause_s(question: Question[Any]) -> float:
    """The time between two answers of what does not block; 0 for what does."""
    match question:
        case Query():
            return QUERY_INTERVAL_S
        case NodeCoordinate():
            return COORDINATE_INTERVAL_S
        case Datacenters():
            return DATACENTERS_INTERVAL_S
        case TextFile():
            return FILE_INTERVAL_S
        case KeySet():
            return question.cache_s
        case _:
            return 0.0


def _request(question: Question[Any]) -> ReadRequest:
    """The read that answers a question, without index and token."""
    match question:
        case Roots():
            return CARootsGet()
        case Revoked():
            return CARevocationsGet()
        case Chain(service=service, datacenter=datacenter, overrides=overrides):
            return ChainGet(service=service, evaluate_in=datacenter, overrides=overrides)
        case Entry(kind=kind, name=name):
            return ConfigGet(kind=kind, name=name)
        case Entries(kind=kind):
            return ConfigList(kind=kind)
        case Central(subject=subject):
            return ServiceConfigGet(subject=subject)
        case Query(name=name, datacenter=datacenter):
            return QueryExecute(name_or_id=name, connect=True, datacenter=datacenter)
        case NodeCoordinate(node=node):
            return CoordinateNode(node=node)
        case Datacenters():
            return ListDatacenters()
        case _:
            return _instances(question)


def _instances(question: Question[Any]) -> ReadRequest:
    match question:
        case Instances(service=service, datacenter=datacenter):
            return HealthServiceNodes(service=service, lookup=Lookup.CONNECT, datacenter=datacenter)
        case Members(service=service):
            return HealthServiceNodes(service=service)
        case Gateways(datacenter=datacenter):
            return ServiceDump(kind=KIND_MESH_GATEWAY, datacenter=datacenter)
        case Sidecars():
            return ServiceDump(kind=KIND_CONNECT_PROXY)
        case Linked(gateway=gateway):
            return GatewayServices(gateway=gateway)
        case _:
            raise AssertionError(question)


def _value(question: Question[Any], value: Any) -> Any:
    """The answer in the question's type; no value of an endpoint is one that is "not known"."""
    match question:
        case Entry():
            return () if value is None else (value,)
        case Query():
            assert isinstance(value, QueryOutcome)
            return Queried(service=value.service, datacenter=value.datacenter, nodes=value.nodes)
        case Revoked():
            return tuple(revocation.serial for revocation in value)
        case NodeCoordinate():
            return value[0].coord if value else None
        case _:
            return tuple(value) if isinstance(value, list) else value
