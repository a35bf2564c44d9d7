"""Reads of gateways: what they expose or reach. Source: Consul API, gateways.

The links come from the gateways' config entries; a wildcard stands for every service.
"""

from collections.abc import Iterable, Mapping

from catalog.queries import health
from catalog.queries.catalog import depend_on_service
from catalog.read import Read
from catalog.rows.check import CheckServiceNode
from catalog.rows.config_entry import (
    API_GATEWAY,
    HTTP_ROUTE,
    INGRESS_GATEWAY,
    TCP_ROUTE,
    TERMINATING_GATEWAY,
    APIGateway,
    HTTPRoute,
    IngressGateway,
    TCPRoute,
    TerminatingGateway,
)
from catalog.rows.service import GatewayService, NodeService, ServiceInstance
from catalog.store import Store
from catalog.tables import CONFIG_ENTRIES, SERVICES
from catalog.writes.catalog import kind_index

WILDCARD = "*"


def links(store: Store) -> list[GatewayService]:
    """Every pair of a gateway and a service that its config entry names, by gateway."""
    found: list[GatewayService] = []
    for entry in store.find(CONFIG_ENTRIES, "kind", INGRESS_GATEWAY):
        assert isinstance(entry, IngressGateway)
        found += _ingress(store, entry)
    for entry in store.find(CONFIG_ENTRIES, "kind", TERMINATING_GATEWAY):
        assert isinstance(entry, TerminatingGateway)
        found += _terminating(store, entry)
    for entry in store.find(CONFIG_ENTRIES, "kind", API_GATEWAY):
        assert isinstance(entry, APIGateway)
        found += _routed(store, entry)
    return found


def _ingress(store: Store, entry: IngressGateway) -> Iterable[GatewayService]:
    for listener in entry.listeners or ():
        for service in listener.services or ():
            wildcard = service.name == WILDCARD
            for name in _typical_services(store) if wildcard else [service.name]:
                yield GatewayService(
                    gateway=entry.name,
                    service=name,
                    gateway_kind=INGRESS_GATEWAY,
                    port=listener.port,
                    protocol=listener.protocol,
                    hosts=service.hosts,
                    from_wildcard=wildcard,
                    create_index=entry.create_index,
                    modify_index=entry.modify_index,
                )


def _terminating(store: Store, entry: TerminatingGateway) -> Iterable[GatewayService]:
    named = {service.name for service in entry.services or ()}
    for service in entry.services or ():
        wildcard = service.name == WILDCARD
        names = [name for name in _typical_services(store) if name not in named]
        for name in names if wildcard else [service.name]:
            yield GatewayService(
                gateway=entry.name,
                service=name,
                gateway_kind=TERMINATING_GATEWAY,
                ca_file=service.ca_file,
                cert_file=service.cert_file,
                key_file=service.key_file,
                sni=service.sni,
                from_wildcard=wildcard,
                create_index=entry.create_index,
                modify_index=entry.modify_index,
            )


def _routed(store: Store, entry: APIGateway) -> Iterable[GatewayService]:
    """The services of the routes that are attached to a listener of an API gateway."""
    for route in _routes(store):
        protocol = "http" if isinstance(route, HTTPRoute) else "tcp"
        sections = {
            parent.section_name
            for parent in route.parents or ()
            if parent.name.lower() == entry.name.lower()
        }
        for listener in entry.listeners or ():
            if listener.protocol != protocol or sections.isdisjoint({"", listener.name}):
                continue
            for name in _services_of(route):
                yield GatewayService(
                    gateway=entry.name,
                    service=name,
                    gateway_kind=API_GATEWAY,
                    port=listener.port,
                    protocol=protocol,
                    hosts=route.hostnames if isinstance(route, HTTPRoute) else None,
                    create_index=entry.create_index,
                    modify_index=max(entry.modify_index, route.modify_index),
                )


def _routes(store: Store) -> Iterable[HTTPRoute | TCPRoute]:
    for kind in (HTTP_ROUTE, TCP_ROUTE):
        for entry in store.find(CONFIG_ENTRIES, "kind", kind):
            assert isinstance(entry, HTTPRoute | TCPRoute)
            yield entry


def _services_of(route: HTTPRoute | TCPRoute) -> Iterable[str]:
    """Each service of a route once."""
    if isinstance(route, TCPRoute):
        return dict.fromkeys(service.name for service in route.services or ())
    rules = route.rules or ()
    return dict.fromkeys(service.name for rule in rules for service in rule.services or ())


def _typical_services(store: Store) -> list[str]:
    """The names of the services that are neither proxies nor gateways nor the servers' own."""
    names: dict[str, None] = {}
    for instance in store.all(SERVICES):
        service: NodeService = instance.service
        if not service.kind and service.service != "consul":
            names[service.service] = None
    return sorted(names)


def services_of(read: Read, gateway: str) -> list[GatewayService]:
    """The services of one gateway."""
    read.depend("config-entries", "services")
    return [link for link in links(read.store) if link.gateway.lower() == gateway.lower()]


def ingress_nodes(
    read: Read, service: str, tags: Iterable[str], meta: Mapping[str, str]
) -> list[CheckServiceNode]:
    """The instances of the ingress gateways that expose a service."""
    return health.join(read.store, _gateways(read, service, INGRESS_GATEWAY), tags, meta)


def _gateways(read: Read, service: str, kind: str) -> list[ServiceInstance]:
    read.depend("config-entries", kind_index(kind))
    # A wildcard stands for the service only while it has instances.
    depend_on_service(read, service, ())
    found: dict[str, None] = {}
    for link in links(read.store):
        if link.gateway_kind == kind and link.service.lower() == service.lower():
            found[link.gateway.lower()] = None
    return [
        instance
        for gateway in found
        for instance in read.store.find(SERVICES, "service", gateway)
        if instance.service.kind == kind
    ]
