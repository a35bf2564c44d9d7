"""The config entries that a discovery chain is compiled from, by service."""

from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from catalog.rows.config_entry import (
    ConfigEntry,
    Mesh,
    ProxyDefaults,
    ServiceDefaults,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
)
from catalog.rows.config_entry.failover_policy import FailoverPolicy

PROTOCOL_DEFAULT: Final = "tcp"


class ChainEntries(msgspec.Struct, frozen=True):
    """A lookup by kind and name; names are compared without regard to case.

    ``blank_protocol_is_tcp`` is the mesh entry's.
    """

    services: dict[str, ServiceDefaults] = {}
    routers: dict[str, ServiceRouter] = {}
    splitters: dict[str, ServiceSplitter] = {}
    resolvers: dict[str, ServiceResolver] = {}
    proxy: ProxyDefaults | None = None
    blank_protocol_is_tcp: bool = False

    @classmethod
    def of(cls, entries: Iterable[ConfigEntry]) -> Self:
        """The lookup of any entries; kinds that chains do not use are passed over."""
        services: dict[str, ServiceDefaults] = {}
        routers: dict[str, ServiceRouter] = {}
        splitters: dict[str, ServiceSplitter] = {}
        resolvers: dict[str, ServiceResolver] = {}
        proxy: ProxyDefaults | None = None
        blank_protocol_is_tcp = False
        for entry in entries:
            name = entry.name.lower()
            match entry:
                case ServiceDefaults():
                    services[name] = entry
                case ServiceRouter():
                    routers[name] = entry
                case ServiceSplitter():
                    splitters[name] = entry
                case ServiceResolver():
                    resolvers[name] = entry
                case ProxyDefaults():
                    proxy = entry
                case Mesh():
                    blank_protocol_is_tcp = entry.blank_protocol_is_tcp
                case _:
                    pass
        return cls(services, routers, splitters, resolvers, proxy, blank_protocol_is_tcp)

    def protocol(self, service: str) -> str:
        """The protocol of a service: what is said of it, or tcp."""
        return self.told_protocol(service) or PROTOCOL_DEFAULT

    def told_protocol(self, service: str) -> str:
        """The service's own protocol, else the one of all proxies; empty if nothing says it.

        Consul takes an entry that leaves it blank for tcp (hashicorp/consul#11457): the mesh entry
        can ask for that rule.
        """
        defaults = self.services.get(service.lower())
        if defaults and (defaults.protocol or self.blank_protocol_is_tcp):
            return (defaults.protocol or PROTOCOL_DEFAULT).lower()
        return self.proxy.protocol.lower() if self.proxy else ""

    @property
    def failover_policy(self) -> FailoverPolicy | None:
        """How targets of failovers are tried where a resolver does not say it."""
        return self.proxy.failover_policy if self.proxy else None

    def mesh_gateway_mode(self, service: str) -> str:
        """How traffic for a service in another datacenter leaves; empty if nothing says it."""
        defaults = self.services.get(service.lower())
        own = defaults.mesh_gateway.mode if defaults else ""
        return own or (self.proxy.mesh_gateway.mode if self.proxy else "")

    def external_sni(self, service: str) -> str:
        """The name that TLS asks for if the service is outside the mesh."""
        defaults = self.services.get(service.lower())
        return defaults.external_sni if defaults else ""

    def resolver(self, service: str) -> ServiceResolver:
        """The resolver of a service; without an entry, one that changes nothing."""
        return self.resolvers.get(service.lower()) or ServiceResolver(name=service)

    def references(self) -> dict[str, set[str]]:
        """Services by the services that their routers, splitters and resolvers name."""
        found: dict[str, set[str]] = {}
        for name, named in (
            *((name, _of_router(entry)) for name, entry in self.routers.items()),
            *((name, _of_splitter(entry)) for name, entry in self.splitters.items()),
            *((name, _of_resolver(entry)) for name, entry in self.resolvers.items()),
        ):
            for service in named:
                if service:
                    found.setdefault(service.lower(), set()).add(name)
        return found


def _of_router(router: ServiceRouter) -> Iterator[str]:
    for route in router.routes or ():
        if route.destination:
            yield route.destination.service
            if route.destination.mirror:
                yield route.destination.mirror.service


def _of_splitter(splitter: ServiceSplitter) -> Iterator[str]:
    for split in splitter.splits or ():
        yield split.service


def _of_resolver(resolver: ServiceResolver) -> Iterator[str]:
    """What is with a peer is the peer's, and unknown here."""
    if resolver.redirect and not resolver.redirect.peer:
        yield resolver.redirect.service
    for failover in (resolver.failover or {}).values():
        yield failover.service
        for target in failover.targets or ():
            if not target.peer:
                yield target.service
