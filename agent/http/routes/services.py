"""Nodes, services and their health."""

from typing import Final

from agent.http.handlers import catalog, health
from agent.http.handlers.shared import as_json
from agent.http.route import Read, Route, Write
from agent.http.routes.parts import LIST, READ, SERVICE, WRITE, local

CATALOG: Final = (
    Route(
        "PUT",
        "/v1/catalog/register",
        Write(catalog.register, as_json),
        "Register a node, a service, checks",
        WRITE,
    ),
    Route(
        "PUT",
        "/v1/catalog/deregister",
        Write(catalog.deregister, as_json),
        "Remove a node, a service or a check",
        WRITE,
    ),
    local("GET", "/v1/catalog/datacenters", catalog.datacenters, "Datacenters", "cached"),
    Route(
        "GET",
        "/v1/catalog/nodes",
        Read(catalog.list_nodes, as_json),
        "Nodes",
        LIST,
        effective=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/services",
        Read(catalog.list_services, as_json),
        "Services with their tags",
        (*READ, "node-meta", "cached"),
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/service/{service}",
        Read(catalog.service_nodes, as_json),
        "Instances of a service",
        SERVICE,
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/connect/{service}",
        Read(catalog.connect_nodes, as_json),
        "What serves a service with mutual TLS",
        SERVICE,
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/catalog/node/{node}",
        Read(catalog.node_services, catalog.show_node),
        "A node with its services",
        (*READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/catalog/node-services/{node}",
        Read(catalog.node_services, catalog.show_node_services),
        "A node with its services in a list",
        (*READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/catalog/gateway-services/{gateway}",
        Read(catalog.gateway_services, catalog.show_gateway_services),
        "Services of a gateway",
        READ,
        effective=True,
    ),
)

HEALTH: Final = (
    Route(
        "GET",
        "/v1/health/node/{node}",
        Read(health.node_checks, as_json),
        "Checks of a node",
        (*READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/checks/{service}",
        Read(health.service_checks, as_json),
        "Checks of a service",
        LIST,
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/state/{state}",
        Read(health.in_state, as_json),
        "Checks in a state",
        LIST,
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/service/{service}",
        Read(health.service_nodes, health.show),
        "Instances of a service with their checks",
        (*SERVICE, "passing"),
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/health/connect/{service}",
        Read(health.connect_nodes, health.show),
        "What serves a service with mutual TLS, with checks",
        (*SERVICE, "passing"),
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/health/ingress/{service}",
        Read(health.ingress_nodes, health.show),
        "Ingress gateways of a service, with checks",
        (*SERVICE, "passing"),
        effective=True,
        cacheable=True,
    ),
)
