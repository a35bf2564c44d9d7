"""Who calls a service and whom it calls, by what proxies and gateways declare.

An upstream stands for every service that its discovery chain may lead to. Upstreams in other
datacenters and prepared queries are left out: what they lead to is not known here.
Source: Consul API, /v1/internal/ui/service-topology.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from catalog.chain import ChainEntries, CompiledChain, GraphError, compile_chain
from catalog.errors import Invalid
from catalog.intentions import Decision, intentions_of, match
from catalog.queries import gateway, health
from catalog.read import Read
from catalog.rows.check import CheckServiceNode
from catalog.rows.config_entry import INGRESS_GATEWAY, ServiceIntentions
from catalog.rows.config_entry.service_intentions import ALLOW, WILDCARD
from catalog.rows.intention import Intention
from catalog.rows.service import KIND_CONNECT_PROXY, KIND_INGRESS_GATEWAY, Upstream
from catalog.schema import Row
from catalog.store import Store
from catalog.tables import CONFIG_ENTRIES, SERVICES

EXTERNAL_SOURCE: Final = "external-source"
TRANSPARENT: Final = "transparent"
SERVICE_INTENTIONS: Final = "service-intentions"
PROTOCOL_DEFAULT: Final = "tcp"


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The services around one, by name in order, each once."""

    protocol: str
    is_transparent: bool
    upstreams: tuple[str, ...]
    downstreams: tuple[str, ...]


class IntentionSummary(Row, frozen=True, kw_only=True):
    """What intentions say of a pair of services.

    ``allowed``: a connection; with permissions it depends on the request and is shown as refused.
    ``has_exact``: it names both of them.
    """

    default_allow: bool
    allowed: bool
    has_permissions: bool = False
    external_source: str = ""
    has_exact: bool = False


def neighbours(read: Read, service: str, kind: str, datacenter: str) -> Neighbours:
    """See the module; ``kind`` is empty or that of ingress gateways."""
    read.depend("nodes", "services", "checks", "config-entries")
    chains = _Chains(read.store, datacenter)
    if kind == KIND_INGRESS_GATEWAY:
        links = [link for link in gateway.links(read.store) if link.gateway == service]
        protocol = next((link.protocol for link in links if link.protocol), PROTOCOL_DEFAULT)
        reached = _targets(chains, (link.service for link in links))
        return Neighbours(
            protocol=protocol, is_transparent=False, upstreams=reached, downstreams=()
        )
    upstreams: set[str] = set()
    downstreams: set[str] = set()
    is_transparent = False
    for row in read.store.find(SERVICES, "kind", KIND_CONNECT_PROXY):
        proxy = row.service.proxy
        dialled = _dialled(proxy.upstreams or (), datacenter)
        if proxy.destination_service_name.lower() == service.lower():
            is_transparent = is_transparent or proxy.mode == TRANSPARENT
            upstreams.update(_targets(chains, dialled))
        if service.lower() in {name.lower() for name in _targets(chains, dialled)}:
            downstreams.add(proxy.destination_service_name)
    for link in gateway.links(read.store):
        is_ingress = link.gateway_kind == INGRESS_GATEWAY
        if is_ingress and service.lower() in map(str.lower, chains.targets(link.service)):
            downstreams.add(link.gateway)
    return Neighbours(
        protocol=chains.protocol(service),
        is_transparent=is_transparent,
        upstreams=tuple(sorted(upstreams)),
        downstreams=tuple(sorted(downstreams)),
    )


def instances(read: Read, names: Iterable[str]) -> list[CheckServiceNode]:
    """The instances of services, and the proxies before them."""
    found = []
    for name in names:
        own = read.store.find(SERVICES, "service", name.lower())
        proxies = [
            row
            for row in read.store.find(SERVICES, "connect", name.lower())
            if row.service.kind == KIND_CONNECT_PROXY
        ]
        found += health.join(read.store, [*own, *proxies], (), {})
    return found


def intentions(read: Read) -> list[Intention]:
    """All of them; one that has no metadata of its own has that of its entry."""
    read.depend("config-entries")
    found: list[Intention] = []
    for entry in read.store.find(CONFIG_ENTRIES, "kind", SERVICE_INTENTIONS):
        assert isinstance(entry, ServiceIntentions)
        found += [
            each if each.meta else replace(each, meta=entry.meta)
            for each in intentions_of((entry,))
        ]
    return found


def summary(
    source: str, destination: str, known: Iterable[Intention], otherwise: Decision
) -> IntentionSummary:
    """What the first intention of a pair says; ``otherwise`` is what holds without one."""
    for each in match(match(known, "destination", destination), "source", source):
        return IntentionSummary(
            default_allow=otherwise.allowed,
            allowed=each.action == ALLOW and not each.permissions,
            has_permissions=bool(each.permissions),
            external_source=(each.meta or {}).get(EXTERNAL_SOURCE, ""),
            has_exact=WILDCARD not in {each.source_name, each.destination_name},
        )
    return IntentionSummary(default_allow=otherwise.allowed, allowed=otherwise.allowed)


class _Chains:
    """The chains of one answer; each is compiled once. No name of a target is shown, so the trust
    domain does not matter.
    """

    def __init__(self, store: Store, datacenter: str) -> None:
        self._entries = ChainEntries.of(store.all(CONFIG_ENTRIES))
        self._datacenter = datacenter
        self._known: dict[str, CompiledChain | None] = {}

    def targets(self, name: str) -> tuple[str, ...]:
        """The services that a chain may lead to in this datacenter; itself if it is broken."""
        chain = self._chain(name)
        if chain is None:
            return (name,)
        found = [
            target.service
            for target in chain.targets.values()
            if target.datacenter == self._datacenter
        ]
        return tuple(dict.fromkeys(found))

    def protocol(self, name: str) -> str:
        """What a service speaks."""
        chain = self._chain(name)
        return chain.protocol if chain is not None else PROTOCOL_DEFAULT

    def _chain(self, name: str) -> CompiledChain | None:
        if name not in self._known:
            try:
                self._known[name] = compile_chain(name, self._datacenter, "", self._entries)
            except (GraphError, Invalid):
                self._known[name] = None
        return self._known[name]


def _targets(chains: _Chains, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({target for name in names for target in chains.targets(name)}))


def _dialled(upstreams: Iterable[Upstream], datacenter: str) -> list[str]:
    """The services that a proxy dials here."""
    return [
        each.destination_name
        for each in upstreams
        if each.destination_type in {"", "service"}
        and each.datacenter in {"", datacenter}
        and not each.destination_peer
    ]
