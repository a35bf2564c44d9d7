"""Asks the cluster for what an explanation needs: nothing is followed, nothing is signed.

A build tells what it lacks; that is asked, and the build is made again, until it lacks nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from msgspec.structs import replace

from agent.connect.spiffe import ServiceIdentity
from agent.mesh.explain import Asked, Seen, explain
from agent.mesh.explain_answer import Explanation
from agent.mesh.settings import Place
from agent.mesh.snapshot import Subject, build
from agent.mesh.snapshot_upstreams import PREPARED_QUERY
from agent.mesh.watch_questions import (
    Answers,
    Chain,
    Instances,
    KeySet,
    Leaf,
    Query,
    Question,
    Roots,
    TextFile,
)
from agent.rpc.request import Reply, RpcError
from catalog.chain.compiled import ChainTarget
from catalog.errors import CatalogError, NotFound
from catalog.rows.check import CheckServiceNode
from catalog.rows.connect import CARoots, IssuedCertificate
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    KIND_TERMINATING_GATEWAY,
    NodeService,
    Upstream,
)
from proxy.api import ProxyConfig

ROUNDS_MAX: Final = 8  # roots, entries, chain, instances, coordinates: each needs the one before
ASK_TIMEOUT_S: Final = 5.0  # another datacenter may not answer at all


class Asks(Protocol):
    """Where answers come from."""

    async def ask(self, question: Question[Any], token: str, index: int) -> Reply:
        """Answers at once for index 0."""


async def explain_request(
    asked: Asked, sources: Asks, token: str, place: Place, local: Mapping[str, ProxyConfig]
) -> Explanation:
    """Why a request goes where it goes. Raises NotFound."""
    return explain(asked, await Gathering(sources, token, place, local).gather(asked))


class Gathering:
    """One explanation's questions and answers. ``local`` are the proxies of this agent."""

    def __init__(
        self, sources: Asks, token: str, place: Place, local: Mapping[str, ProxyConfig]
    ) -> None:
        self._sources = sources
        self._token = token
        self._place = place
        self._local = local
        self._known: dict[Question[Any], object] = {}
        self._failed: dict[Question[Any], str] = {}

    async def gather(self, asked: Asked) -> Seen:
        """Everything about a request. Raises NotFound for a source without a proxy."""
        row = await self._proxy(asked.source, KIND_CONNECT_PROXY)
        if row is None:
            message = f"no proxy of service {asked.source!r} is registered"
            raise NotFound(message)
        service, declared = _with_upstream(row.service, asked.destination)
        config = await self._build(service, row)
        if config is None:
            raise NotFound("the mesh has no certificate authority yet")
        local = self._local.get(service.id)
        is_local = local is not None and row.node.node == self._place.node
        if local is not None and is_local:
            config = replace(config, identities=local.identities, index=local.index)
        targets = self._targets()
        return Seen(
            source=config,
            destinations=await self._destinations(targets),
            instances={name: self._instances(target) for name, target in targets.items()},
            targets=targets,
            local=is_local,
            declared=declared,
            notes=tuple(sorted({*self._failed.values(), *self._elsewhere(targets)})),
        )

    async def _proxy(self, service: str, *kinds: str) -> CheckServiceNode | None:
        """A proxy of a service: one of the first kind that there is, of this node if possible."""
        question = Instances(service, self._place.datacenter)
        if question not in self._known:
            await self._ask(question)
        rows = self._known.get(question) or ()
        assert isinstance(rows, tuple)
        proxies = [row for row in rows if row.service.kind in kinds]
        return min(
            proxies,
            key=lambda row: (kinds.index(row.service.kind), row.node.node != self._place.node),
            default=None,
        )

    async def _build(self, service: NodeService, row: CheckServiceNode) -> ProxyConfig | None:
        place = replace(self._place, node=row.node.node)
        config = None
        for _ in range(ROUNDS_MAX):
            answers = Answers(self._answer)
            config = build(Subject(registered=service), place, answers)
            lacking = [each for each in answers.missing if self._is_worth_asking(each)]
            if not lacking:
                break
            for question in lacking:
                await self._ask(question)
        return config

    def _answer(self, question: Question[Any]) -> object | None:
        if isinstance(question, Leaf):
            return self._stand_in(question.service)
        return self._known.get(question)

    def _is_worth_asking(self, question: Question[Any]) -> bool:
        # Keys of tokens are for checking them, and there is no token here.
        return question not in self._failed and not isinstance(question, KeySet | Leaf | TextFile)

    async def _ask(self, question: Question[Any]) -> None:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                reply = await self._sources.ask(question, self._token, 0)
        except (CatalogError, RpcError, OSError) as error:
            self._failed[question] = f"{_described(question)}: {str(error) or 'no answer'}"
            return
        if reply.value is None:
            self._failed[question] = f"{_described(question)}: nothing is known"
            return
        self._known[question] = reply.value

    def _stand_in(self, service: str) -> IssuedCertificate | None:
        """A certificate that nobody signed: an explanation needs no more than the name."""
        roots = self._known.get(Roots())
        if not isinstance(roots, CARoots):
            return None
        identity = ServiceIdentity(
            trust_domain=roots.trust_domain, datacenter=self._place.datacenter, service=service
        )
        return IssuedCertificate(
            serial_number="",
            cert_pem="",
            service=service,
            service_uri=identity.uri,
            valid_after="",
            valid_before="",
        )

    def _elsewhere(self, targets: Mapping[str, ChainTarget]) -> Iterable[str]:
        """Who decides by intentions that are not known here: each datacenter has its own."""
        for target in targets.values():
            if target.datacenter != self._place.datacenter:
                yield f"who may reach {target.service} in {target.datacenter} is decided there"

    def _targets(self) -> dict[str, ChainTarget]:
        """The targets of every chain that was asked for."""
        return {
            name: target
            for question, chain in self._known.items()
            if isinstance(question, Chain)
            for name, target in getattr(chain, "targets", {}).items()
        }

    def _instances(self, target: ChainTarget) -> tuple[CheckServiceNode, ...]:
        rows = self._known.get(Instances(target.service, target.datacenter))
        return rows if isinstance(rows, tuple) else ()

    async def _destinations(self, targets: Mapping[str, ChainTarget]) -> dict[str, ProxyConfig]:
        """What the proxies of the targets' services are told, in this datacenter."""
        found: dict[str, ProxyConfig] = {}
        queried = (each.service for each in self._known.values() if hasattr(each, "service"))
        names = {target.service for target in targets.values()} | set(queried)
        for name in sorted(names):
            row = await self._proxy(name, KIND_CONNECT_PROXY, KIND_TERMINATING_GATEWAY)
            config = await self._build(_inbound(row.service), row) if row else None
            if config is not None:
                found[name] = config
        return found


def _inbound(service: NodeService) -> NodeService:
    """The registration without what the service dials itself."""
    return replace(service, proxy=replace(service.proxy, upstreams=None))


def _with_upstream(service: NodeService, destination: str) -> tuple[NodeService, bool]:
    """The registration with the one upstream of interest, and whether it had it already."""
    upstreams = service.proxy.upstreams or ()
    kept = tuple(each for each in upstreams if each.destination_name == destination)
    wanted = kept or (Upstream(destination_type="service", destination_name=destination),)
    proxy = replace(service.proxy, upstreams=wanted[:1])
    return replace(service, proxy=proxy), bool(kept)


def _described(question: Question[Any]) -> str:
    match question:
        case Chain(service=service):
            return f"chain of {service}"
        case Instances(service=service, datacenter=datacenter):
            return f"instances of {service} in {datacenter}"
        case Query(name=name):
            return f"{PREPARED_QUERY} {name}"
        case _:
            return type(question).__name__.lower()
