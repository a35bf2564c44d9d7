"""The config entries that a discovery chain is compiled from, by service."""

from collections.abc import Iterable
from typing import Final, Self

import msgspec

from catalog.rows.config_entry import (
    ConfigEntry,
    ProxyDefaults,
    ServiceDefaults,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
)

PROTOCOL_DEFAULT: Final = "tcp"


class ChainEntries(msgspec.Struct, frozen=True):
    """A lookup by kind and name; names are compared without regard to case."""

    services: dict[str, ServiceDefaults] = {}
    routers: dict[str, ServiceRouter] = {}
    splitters: dict[str, ServiceSplitter] = {}
    resolvers: dict[str, ServiceResolver] = {}
    proxy: ProxyDefaults | None = None

    @classmethod
    def of(cls, entries: Iterable[ConfigEntry]) -> Self:
        """The lookup of any entries; kinds that chains do not use are passed over."""
        services: dict[str, ServiceDefaults] = {}
        routers: dict[str, ServiceRouter] = {}
        splitters: dict[str, ServiceSplitter] = {}
        resolvers: dict[str, ServiceResolver] = {}
        proxy: ProxyDefaults | None = None
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
                case _:
                    pass
        return cls(services, routers, splitters, resolvers, proxy)

    def protocol(self, service: str) -> str:
        """The protocol of a service: its own, the one of all proxies, or tcp."""
        defaults = self.services.get(service.lower())
        own = defaults.protocol if defaults else ""
        shared = self.proxy.protocol if self.proxy else ""
        return (own or shared or PROTOCOL_DEFAULT).lower()

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
        for name, router in self.routers.items():
            for route in router.routes or ():
                if route.destination and route.destination.service:
                    found.setdefault(route.destination.service.lower(), set()).add(name)
        for name, splitter in self.splitters.items():
            for split in splitter.splits or ():
                if split.service:
                    found.setdefault(split.service.lower(), set()).add(name)
        for name, resolver in self.resolvers.items():
            if resolver.redirect and resolver.redirect.service:
                found.setdefault(resolver.redirect.service.lower(), set()).add(name)
            for failover in (resolver.failover or {}).values():
                if failover.service:
                    found.setdefault(failover.service.lower(), set()).add(name)
        return found
