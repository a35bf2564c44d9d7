"""Every endpoint of the HTTP API, in one table: the only place that registers one.

From it come dispatch, 405 with Allow, OPTIONS, the API document and its tests.
Source: Consul API (https://developer.hashicorp.com/consul/api-docs).
"""

from typing import Final

from agent.http.handlers import (
    acl_off,
    agent,
    agent_checks,
    agent_services,
    catalog,
    config_entry,
    coordinate,
    event,
    health,
    internal,
    kv,
    operator,
    query,
    session,
    snapshot,
    status,
    txn,
    ui,
)
from agent.http.handlers.shared import as_empty, as_json
from agent.http.route import Local, Read, Route, Write

_COMMON: Final = ("dc", "token", "pretty")
_WRITE: Final = _COMMON
_READ: Final = (*_COMMON, "index", "wait", "stale", "consistent", "max_stale")
_LIST: Final = (*_READ, "filter", "near", "node-meta")
_SERVICE: Final = (*_LIST, "tag", "cached")


def _local(method: str, pattern: str, run, summary: str, *params: str) -> Route:  # type: ignore[no-untyped-def]  # noqa: ANN001 - Local checks it
    return Route(method, pattern, Local(run), summary, (*_COMMON, *params))


_STATUS: Final = (
    _local("GET", "/v1/status/leader", status.leader, "Address of the leader"),
    _local("GET", "/v1/status/peers", status.peers, "Addresses of the servers", "stale"),
)

_AGENT: Final = (
    _local("GET", "/v1/agent/self", agent.self_, "This agent's configuration and statistics"),
    _local("GET", "/v1/agent/version", agent.version, "This agent's version"),
    _local("GET", "/v1/agent/host", agent.host, "The machine"),
    _local("GET", "/v1/agent/members", agent.members, "Members known", "wan", "segment"),
    _local("PUT", "/v1/agent/join/{address}", agent.join, "Join an agent", "wan"),
    _local("PUT", "/v1/agent/leave", agent.leave, "Leave and shut down"),
    _local("PUT", "/v1/agent/force-leave/{node}", agent.force_leave, "Remove a member", "prune"),
    _local("PUT", "/v1/agent/reload", agent.reload, "Reload the configuration"),
    _local("GET", "/v1/agent/metrics", agent.metrics, "Metrics", "format"),
    _local("GET", "/v1/agent/monitor", agent.monitor, "Stream the log", "loglevel", "logjson"),
    _local("PUT", "/v1/agent/token/{type}", agent.token, "Set one of the agent's tokens"),
    _local("GET", "/v1/agent/services", agent_services.services, "Services", "filter"),
    _local("GET", "/v1/agent/service/{id}", agent_services.service, "One service", "hash", "wait"),
    _local(
        "PUT",
        "/v1/agent/service/register",
        agent_services.register,
        "Register a service",
        "replace-existing-checks",
    ),
    _local(
        "PUT", "/v1/agent/service/deregister/{id}", agent_services.deregister, "Remove a service"
    ),
    _local(
        "PUT",
        "/v1/agent/service/maintenance/{id}",
        agent_services.maintenance,
        "Maintenance mode of a service",
        "enable",
        "reason",
    ),
    _local(
        "GET",
        "/v1/agent/health/service/id/{id}",
        agent_services.health_by_id,
        "Health of an instance",
        "format",
    ),
    _local(
        "GET",
        "/v1/agent/health/service/name/{name}",
        agent_services.health_by_name,
        "Health of a service's local instances",
        "format",
    ),
    _local("GET", "/v1/agent/checks", agent_checks.checks, "Checks", "filter"),
    _local("PUT", "/v1/agent/check/register", agent_checks.register, "Register a check"),
    _local("PUT", "/v1/agent/check/deregister/{id}", agent_checks.deregister, "Remove a check"),
    _local("PUT", "/v1/agent/check/pass/{id}", agent_checks.passing, "Pass a TTL", "note"),
    _local("PUT", "/v1/agent/check/warn/{id}", agent_checks.warning, "Warn of a TTL", "note"),
    _local("PUT", "/v1/agent/check/fail/{id}", agent_checks.failing, "Fail a TTL", "note"),
    _local("PUT", "/v1/agent/check/update/{id}", agent_checks.update, "Update a TTL"),
    _local(
        "PUT",
        "/v1/agent/maintenance",
        agent_checks.maintenance,
        "Maintenance mode of the node",
        "enable",
        "reason",
    ),
)

_CATALOG: Final = (
    Route(
        "PUT",
        "/v1/catalog/register",
        Write(catalog.register, as_json),
        "Register a node, a service, checks",
        _WRITE,
    ),
    Route(
        "PUT",
        "/v1/catalog/deregister",
        Write(catalog.deregister, as_json),
        "Remove a node, a service or a check",
        _WRITE,
    ),
    _local("GET", "/v1/catalog/datacenters", catalog.datacenters, "Datacenters", "cached"),
    Route(
        "GET",
        "/v1/catalog/nodes",
        Read(catalog.list_nodes, as_json),
        "Nodes",
        _LIST,
        effective=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/services",
        Read(catalog.list_services, as_json),
        "Services with their tags",
        (*_READ, "node-meta", "cached"),
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/service/{service}",
        Read(catalog.service_nodes, as_json),
        "Instances of a service",
        _SERVICE,
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/catalog/connect/{service}",
        Read(catalog.connect_nodes, as_json),
        "What serves a service with mutual TLS",
        _SERVICE,
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/catalog/node/{node}",
        Read(catalog.node_services, catalog.show_node),
        "A node with its services",
        (*_READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/catalog/node-services/{node}",
        Read(catalog.node_services, catalog.show_node_services),
        "A node with its services in a list",
        (*_READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/catalog/gateway-services/{gateway}",
        Read(catalog.gateway_services, catalog.show_gateway_services),
        "Services of a gateway",
        _READ,
        effective=True,
    ),
)

_HEALTH: Final = (
    Route(
        "GET",
        "/v1/health/node/{node}",
        Read(health.node_checks, as_json),
        "Checks of a node",
        (*_READ, "filter"),
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/checks/{service}",
        Read(health.service_checks, as_json),
        "Checks of a service",
        _LIST,
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/state/{state}",
        Read(health.in_state, as_json),
        "Checks in a state",
        _LIST,
        effective=True,
    ),
    Route(
        "GET",
        "/v1/health/service/{service}",
        Read(health.service_nodes, health.show),
        "Instances of a service with their checks",
        (*_SERVICE, "passing"),
        effective=True,
        cacheable=True,
        fast=True,
    ),
    Route(
        "GET",
        "/v1/health/connect/{service}",
        Read(health.connect_nodes, health.show),
        "What serves a service with mutual TLS, with checks",
        (*_SERVICE, "passing"),
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/health/ingress/{service}",
        Read(health.ingress_nodes, health.show),
        "Ingress gateways of a service, with checks",
        (*_SERVICE, "passing"),
        effective=True,
        cacheable=True,
    ),
)

_KV: Final = (
    Route(
        "GET",
        "/v1/kv/{key}",
        Read(kv.get, kv.show),
        "Read a key, or the pairs or keys under a prefix",
        (*_READ, "recurse", "raw", "keys", "separator"),
        fast=True,
    ),
    Route(
        "PUT",
        "/v1/kv/{key}",
        Write(kv.put, as_json),
        "Write a key",
        (*_WRITE, "flags", "cas", "acquire", "release"),
        fast=True,
    ),
    Route(
        "DELETE",
        "/v1/kv/{key}",
        Write(kv.delete, as_json),
        "Delete a key or everything under a prefix",
        (*_WRITE, "recurse", "cas"),
    ),
    _local("PUT", "/v1/txn", txn.run, "Carry out operations together or not at all"),
)

_SESSION: Final = (
    Route(
        "PUT",
        "/v1/session/create",
        Write(session.create, session.show_id),
        "Create a session",
        _WRITE,
    ),
    Route(
        "PUT",
        "/v1/session/destroy/{id}",
        Write(session.destroy, as_json),
        "End a session",
        _WRITE,
    ),
    Route(
        "PUT",
        "/v1/session/renew/{id}",
        Write(session.renew, session.show_renewed),
        "Renew a session",
        _WRITE,
    ),
    Route("GET", "/v1/session/info/{id}", Read(session.get, as_json), "One session", _READ),
    Route("GET", "/v1/session/node/{node}", Read(session.of_node, as_json), "Of a node", _READ),
    Route("GET", "/v1/session/list", Read(session.list_all, as_json), "All sessions", _READ),
)

_EVENT: Final = (
    _local("PUT", "/v1/event/fire/{name}", event.fire, "Fire an event", "node", "service", "tag"),
    _local("GET", "/v1/event/list", event.list_events, "Events", "name", "index", "wait"),
)

_COORDINATE: Final = (
    _local("GET", "/v1/coordinate/datacenters", coordinate.datacenters, "Of servers"),
    Route(
        "GET",
        "/v1/coordinate/nodes",
        Read(coordinate.nodes, as_json),
        "Coordinates of all nodes",
        (*_READ, "segment"),
    ),
    Route(
        "GET",
        "/v1/coordinate/node/{node}",
        Read(coordinate.node, coordinate.show_node),
        "Coordinates of a node",
        (*_READ, "segment"),
    ),
    Route(
        "PUT",
        "/v1/coordinate/update",
        Write(coordinate.update, as_empty),
        "Update a node's coordinate",
        _WRITE,
    ),
)

_CONFIG: Final = (
    Route(
        "PUT",
        "/v1/config",
        Write(config_entry.apply, as_json),
        "Write a config entry",
        (*_WRITE, "cas"),
    ),
    Route(
        "GET",
        "/v1/config/{path}",
        Read(config_entry.get, config_entry.show),
        "Read a config entry, or all of a kind",
        _READ,
    ),
    Route(
        "DELETE",
        "/v1/config/{path}",
        Write(config_entry.delete, config_entry.show_deleted),
        "Delete a config entry",
        _WRITE,
    ),
)

_QUERY: Final = (
    Route(
        "GET",
        "/v1/query",
        Read(query.list_all, as_json),
        "All prepared queries",
        _READ,
        effective=True,
    ),
    Route("POST", "/v1/query", Write(query.create, query.show_id), "Create a query", _WRITE),
    Route(
        "GET",
        "/v1/query/{id}/execute",
        Read(query.execute, query.show_outcome),
        "Run a query",
        (*_READ, "near", "limit", "connect", "cached"),
        effective=True,
        cacheable=True,
    ),
    Route(
        "GET",
        "/v1/query/{id}/explain",
        Read(query.explain, query.show_explained),
        "The query that a name finds",
        _READ,
        effective=True,
    ),
    Route("GET", "/v1/query/{id}", Read(query.get, as_json), "One", _READ, effective=True),
    Route("PUT", "/v1/query/{id}", Write(query.put, as_empty), "Replace a query", _WRITE),
    Route("DELETE", "/v1/query/{id}", Write(query.remove, as_empty), "Remove one", _WRITE),
)

_INTERNAL: Final = (
    Route(
        "GET",
        "/v1/internal/ui/nodes",
        Read(internal.nodes, as_json),
        "Nodes with all that is on them",
        (*_READ, "filter"),
    ),
    Route(
        "GET",
        "/v1/internal/ui/node/{node}",
        Read(internal.node, internal.show_node),
        "A node with all that is on it",
        _READ,
    ),
    Route(
        "GET",
        "/v1/internal/ui/services",
        Read(internal.services, internal.show_services),
        "Services, summed up",
        (*_READ, "filter"),
    ),
)

_OPERATOR: Final = (
    _local(
        "GET",
        "/v1/operator/raft/configuration",
        operator.raft_configuration,
        "Servers of the log",
        "stale",
    ),
    _local("DELETE", "/v1/operator/raft/peer", operator.remove_peer, "Remove", "id", "address"),
    _local("POST", "/v1/operator/raft/transfer-leader", operator.transfer_leader, "Lead", "id"),
    _local(
        "GET",
        "/v1/operator/autopilot/configuration",
        operator.autopilot_configuration,
        "Autopilot's configuration",
        "stale",
    ),
    _local(
        "PUT",
        "/v1/operator/autopilot/configuration",
        operator.set_autopilot_configuration,
        "Set autopilot's configuration",
        "cas",
    ),
    _local("GET", "/v1/operator/autopilot/health", operator.autopilot_health, "Health"),
    _local("GET", "/v1/operator/autopilot/state", operator.autopilot_state, "State"),
    *(
        _local(
            method,
            "/v1/operator/keyring",
            operator.keyring,
            "Gossip keys",
            "relay-factor",
            "local-only",
        )
        for method in ("GET", "POST", "PUT", "DELETE")
    ),
)

_SNAPSHOT: Final = (
    _local("GET", "/v1/snapshot", snapshot.save, "Save the state", "stale"),
    _local("PUT", "/v1/snapshot", snapshot.restore, "Restore the state"),
)

_ACL: Final = tuple(
    _local(method, pattern, acl_off.disabled, "Access control")
    for pattern, methods in (
        ("/v1/acl/bootstrap", "PUT"),
        ("/v1/acl/create", "PUT"),
        ("/v1/acl/update", "PUT"),
        ("/v1/acl/destroy/{id}", "PUT"),
        ("/v1/acl/info/{id}", "GET"),
        ("/v1/acl/clone/{id}", "PUT"),
        ("/v1/acl/list", "GET"),
        ("/v1/acl/replication", "GET"),
        ("/v1/acl/login", "POST"),
        ("/v1/acl/logout", "POST"),
        ("/v1/acl/rules/translate", "POST"),
        ("/v1/acl/rules/translate/{id}", "GET"),
        ("/v1/acl/policies", "GET"),
        ("/v1/acl/policy", "PUT"),
        ("/v1/acl/policy/{id}", "GET PUT DELETE"),
        ("/v1/acl/policy/name/{name}", "GET"),
        ("/v1/acl/roles", "GET"),
        ("/v1/acl/role", "PUT"),
        ("/v1/acl/role/{id}", "GET PUT DELETE"),
        ("/v1/acl/role/name/{name}", "GET"),
        ("/v1/acl/tokens", "GET"),
        ("/v1/acl/token", "PUT"),
        ("/v1/acl/token/self", "GET"),
        ("/v1/acl/token/{id}", "GET PUT DELETE"),
        ("/v1/acl/token/{id}/clone", "PUT"),
        ("/v1/acl/auth-methods", "GET"),
        ("/v1/acl/auth-method", "PUT"),
        ("/v1/acl/auth-method/{name}", "GET PUT DELETE"),
        ("/v1/acl/binding-rules", "GET"),
        ("/v1/acl/binding-rule", "PUT"),
        ("/v1/acl/binding-rule/{id}", "GET PUT DELETE"),
    )
    for method in methods.split()
)

_UI: Final = (
    _local("GET", "/", ui.root, "The way to the web page"),
    _local("GET", "/ui/{file}", ui.page, "The web page"),
)

ROUTES: Final[tuple[Route, ...]] = (
    *_STATUS,
    *_AGENT,
    *_CATALOG,
    *_HEALTH,
    *_KV,
    *_SESSION,
    *_EVENT,
    *_COORDINATE,
    *_CONFIG,
    *_QUERY,
    *_INTERNAL,
    *_OPERATOR,
    *_SNAPSHOT,
    *_ACL,
    *_UI,
)
