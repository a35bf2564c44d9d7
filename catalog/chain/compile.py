"""Compile the discovery chain of a service from config entries.

Router, else splitter, else resolver is the start. Routes and splits lead to the splitter or
resolver of their service; resolvers follow redirects and default subsets, and list failovers. Then
circles are refused, splitters below splitters are merged, and what is not reached is dropped.

Source: Consul, discovery chain (https://developer.hashicorp.com/consul/docs/connect/manage-traffic).
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from catalog.chain.compiled import (
    CONNECT_TIMEOUT_DEFAULT_NS,
    NAMESPACE,
    PARTITION,
    RESOLVER,
    ROUTER,
    SPLITTER,
    ChainFailover,
    ChainNode,
    ChainResolver,
    ChainRoute,
    ChainSplit,
    ChainTarget,
    CompiledChain,
    is_http_like,
)
from catalog.chain.entries import ChainEntries
from catalog.chain.errors import GraphError
from catalog.chain.overrides import Overrides, customization_hash
from catalog.chain.place import Place
from catalog.chain.shaping import flatten_splitters, reachable, refuse_circles, targets_of
from catalog.rows.config_entry.entry import quoted
from catalog.rows.config_entry.load_balancer import HASHING, LoadBalancer
from catalog.rows.config_entry.service_resolver import ANY_SUBSET, Failover, ServiceResolver, Subset
from catalog.rows.config_entry.service_router import (
    Route,
    RouteDestination,
    RouteHTTPMatch,
    RouteMatch,
    ServiceRouter,
)
from catalog.rows.service import MeshGateway

NO_OVERRIDES: Final = Overrides()
SPLITTER_DEPTH_MAX: Final = 64
"""Splitters below each other: far more than anyone draws, few enough for the stack."""


def compile_chain(
    service: str,
    datacenter: str,
    trust_domain: str,
    entries: ChainEntries,
    overrides: Overrides = NO_OVERRIDES,
) -> CompiledChain:
    """The chain of ``service`` as seen from ``datacenter``.

    ``trust_domain`` includes its ``.consul``. Raises GraphError if the entries contradict each
    other.
    """
    if not service:
        raise GraphError("serviceName is required")
    return _Compiler(service, datacenter, trust_domain, entries, overrides).compile()


class _Compiler:
    """One compilation: the nodes and targets so far, and which overrides mattered."""

    def __init__(
        self,
        service: str,
        datacenter: str,
        trust_domain: str,
        entries: ChainEntries,
        overrides: Overrides,
    ) -> None:
        self.service = service
        self.datacenter = datacenter
        self.trust_domain = trust_domain
        self.entries = entries
        self.overrides = overrides
        self.used = Overrides()
        self.protocol = entries.protocol(service)
        self.advanced = False
        self.splitter_depth = 0
        self.nodes: dict[str, ChainNode] = {}
        self.targets: dict[str, ChainTarget] = {}

    def compile(self) -> CompiledChain:
        start = self.start()
        refuse_circles(start, self.nodes)
        nodes = reachable(start, flatten_splitters(self.nodes))
        if self.advanced and not is_http_like(self.protocol):
            message = (
                f"discovery chain {quoted(self.service)} uses a protocol {quoted(self.protocol)} "
                "that does not permit advanced routing or splitting behavior"
            )
            raise GraphError(message)
        protocol = self.protocol
        if self.overrides.protocol and self.overrides.protocol != protocol:
            protocol = self.overrides.protocol
            self.used = msgspec.structs.replace(self.used, protocol=protocol)
        return CompiledChain(
            service_name=self.service,
            datacenter=self.datacenter,
            customization_hash=customization_hash(self.used),
            protocol=protocol,
            start_node=start,
            nodes=nodes,
            targets={name: self.targets[name] for name in targets_of(nodes)},
        )

    def start(self) -> str:
        """The node that requests enter by."""
        self.same_protocol(self.service)
        router = self.entries.routers.get(self.service.lower())
        if router is None or self.plain:
            return self.splitter_or_resolver(self.service)
        return self.router(router)

    @property
    def plain(self) -> bool:
        """Whether the caller asked for a protocol that cannot be routed or split."""
        return bool(self.overrides.protocol) and not is_http_like(self.overrides.protocol)

    def router(self, router: ServiceRouter) -> str:
        self.advanced = True
        routes = [
            ChainRoute(
                definition=route,
                next_node=self.route_node(route.destination),
                mirror_node=self.mirror_node(route.destination),
            )
            for route in router.routes or ()
        ]
        rest = Route(
            match=RouteMatch(http=RouteHTTPMatch(path_prefix="/")),
            destination=RouteDestination(service=self.service, namespace=NAMESPACE),
        )
        last = ChainRoute(definition=rest, next_node=self.splitter_or_resolver(self.service))
        return self.add(
            ChainNode(type=ROUTER, name=f"{self.service}.{NAMESPACE}", routes=(*routes, last))
        )

    def route_node(self, destination: RouteDestination | None) -> str:
        service = (destination and destination.service) or self.service
        if destination and destination.service_subset:
            return self.resolver(Place(service, destination.service_subset, self.datacenter))
        return self.splitter_or_resolver(service)

    def mirror_node(self, destination: RouteDestination | None) -> str:
        """Copies go to instances of one service, past its splitter."""
        mirror = destination and destination.mirror
        if not mirror:
            return ""
        return self.resolver(
            Place(mirror.service or self.service, mirror.service_subset, self.datacenter)
        )

    def splitter_or_resolver(self, service: str) -> str:
        return self.splitter(service) or self.resolver(Place(service, "", self.datacenter))

    def splitter(self, service: str) -> str:
        """The splitter of a service and all below it; empty if the service has none."""
        entry = self.entries.splitters.get(service.lower())
        if entry is None or self.plain:
            return ""
        self.same_protocol(service)
        self.advanced = True
        node = ChainNode(type=SPLITTER, name=f"{service}.{NAMESPACE}")
        if node.key in self.nodes:
            return node.key
        # Added before what is below it, so that a circle ends here and is then refused.
        self.add(node)
        self.splitter_depth += 1
        if self.splitter_depth > SPLITTER_DEPTH_MAX:
            message = (
                f"discovery chain {quoted(self.service)} has more than {SPLITTER_DEPTH_MAX} "
                "splitters below each other"
            )
            raise GraphError(message)
        splits: list[ChainSplit] = []
        for split in entry.splits or ():
            below = split.service or service
            key = "" if below == service or split.service_subset else self.splitter(below)
            if not key:
                key = self.resolver(Place(below, split.service_subset, self.datacenter))
            changes = split.request_headers or split.response_headers
            splits.append(
                ChainSplit(
                    definition=split if changes else None, weight=split.weight, next_node=key
                )
            )
        self.splitter_depth -= 1
        balancer = self.hashing(splits)
        return self.add(msgspec.structs.replace(node, splits=tuple(splits), load_balancer=balancer))

    def hashing(self, splits: Iterable[ChainSplit]) -> LoadBalancer | None:
        """How requests of a splitter are hashed: there is one way, the first that is met."""
        for split in splits:
            balancer = self.nodes[split.next_node].load_balancer
            if balancer and balancer.policy in HASHING:
                return balancer
        return None

    def resolver(self, place: Place, *, fail_over: bool = True) -> str:
        """The resolver of a place, after redirects and default subsets."""
        place, entry = self.followed(place)
        key = f"{RESOLVER}:{place.id}"
        if key in self.nodes:
            return key
        if not entry.has_subset(place.subset):
            message = (
                f"service {quoted(place.service)} does not have a subset named "
                f"{quoted(place.subset)}"
            )
            raise GraphError(message)
        self.refuse_external(place.service, entry)
        self.add_target(place, (entry.subsets or {}).get(place.subset) or Subset())
        resolver = ChainResolver(
            default=entry.is_default,
            connect_timeout=self.connect_timeout(entry),
            request_timeout=entry.request_timeout,
            target=place.id,
        )
        node = ChainNode(
            type=RESOLVER, name=place.id, resolver=resolver, load_balancer=entry.load_balancer
        )
        self.add(node)
        failovers = entry.failover or {}
        failover = failovers.get(place.subset) or failovers.get(ANY_SUBSET)
        # The places of a failover do not fail over again: they are only a list.
        if failover and fail_over:
            targets = self.failover_targets(place, failover)
            if targets:
                policy = failover.policy or self.entries.failover_policy
                following = ChainFailover(targets=targets, policy=policy)
                resolver = msgspec.structs.replace(resolver, failover=following)
                self.add(msgspec.structs.replace(node, resolver=resolver))
        return key

    def followed(self, place: Place) -> tuple[Place, ServiceResolver]:
        """The place where redirects and default subsets lead, with its resolver."""
        path: list[str] = []
        while True:
            if place.peer:
                return place, ServiceResolver(name=place.service)
            self.same_protocol(place.service)
            entry = self.entries.resolver(place.service)
            if place.id in path:
                listed = " -> ".join((*path, place.id))
                message = f"detected circular resolver redirect: [{listed}]"
                raise GraphError(message)
            path.append(place.id)
            following = place
            if entry.redirect is not None:
                self.refuse_external(place.service, entry)
                following = place.moved(
                    entry.redirect.service,
                    entry.redirect.service_subset,
                    entry.redirect.datacenter,
                    entry.redirect.peer,
                )
            if following == place and not place.subset and entry.default_subset:
                following = place.moved(subset=entry.default_subset)
            if following == place:
                return place, entry
            place = following

    def failover_targets(self, place: Place, failover: Failover) -> tuple[str, ...]:
        if failover.targets:
            others = [
                place.moved(each.service, each.service_subset, each.datacenter, each.peer)
                for each in failover.targets
            ]
        else:
            others = [
                place.moved(failover.service, failover.service_subset, datacenter)
                for datacenter in failover.datacenters or ("",)
            ]
        targets: dict[str, None] = {}
        for other in others:
            if other != place:
                node = self.nodes[self.resolver(other, fail_over=False)]
                assert node.resolver is not None
                targets[node.resolver.target] = None
        return tuple(name for name in targets if name != place.id)

    def connect_timeout(self, entry: ServiceResolver) -> int:
        timeout = entry.connect_timeout or CONNECT_TIMEOUT_DEFAULT_NS
        override = self.overrides.connect_timeout
        if override <= 0 or override == timeout:
            return timeout
        self.used = msgspec.structs.replace(self.used, connect_timeout=override)
        return override

    def add_target(self, place: Place, subset: Subset) -> None:
        mode = ""
        # A peer's place has no datacenter: it is somewhere else in any case.
        if place.datacenter != self.datacenter:
            mode = self.entries.mesh_gateway_mode(place.service)
            override = self.overrides.mesh_gateway_mode
            if override and override != mode:
                mode = override
                self.used = msgspec.structs.replace(self.used, mesh_gateway_mode=override)
        name = f"{place.id}.internal.{self.trust_domain}"
        if place.peer:
            name = f"{place.service}.{NAMESPACE}.{PARTITION}.{place.peer}.external."
            name += self.trust_domain
        external_sni = self.entries.external_sni(place.service)
        self.targets[place.id] = ChainTarget(
            id=place.id,
            service=place.service,
            service_subset=place.subset,
            datacenter=place.datacenter,
            peer=place.peer,
            mesh_gateway=MeshGateway(mode=mode),
            subset=subset,
            external=bool(external_sni),
            sni=external_sni or name,
            name=name,
        )

    def add(self, node: ChainNode) -> str:
        self.nodes[node.key] = node
        return node.key

    def same_protocol(self, service: str) -> None:
        protocol = self.entries.protocol(service)
        if protocol != self.protocol:
            message = (
                f"discovery chain {quoted(self.service)} uses inconsistent protocols; service "
                f"{quoted(service)} has {quoted(protocol)} which is not {quoted(self.protocol)}"
            )
            raise GraphError(message)

    def refuse_external(self, service: str, entry: ServiceResolver) -> None:
        """A service outside the mesh is reached by its SNI alone."""
        if not self.entries.external_sni(service):
            return
        for what, present in (
            ("set redirects", entry.redirect is not None),
            ("define subsets", bool(entry.subsets)),
            ("define failover", bool(entry.failover)),
        ):
            if present:
                message = (
                    f"service {quoted(service)} has an external SNI set; cannot {what} for "
                    "external services"
                )
                raise GraphError(message)
