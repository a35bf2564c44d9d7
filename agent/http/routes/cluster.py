"""The cluster itself: servers, events, coordinates, snapshots."""

from typing import Final

from agent.http.handlers import coordinate, event, operator, snapshot, status
from agent.http.handlers.shared import as_empty, as_json
from agent.http.route import Local, Read, Route, Write
from agent.http.routes.parts import COMMON, READ, WRITE, local

STATUS: Final = (
    Route(
        "GET",
        "/v1/status/leader",
        Local(status.leader, status.leader_now),
        "Address of the leader",
        COMMON,
        fast=True,
    ),
    local("GET", "/v1/status/peers", status.peers, "Addresses of the servers", "stale"),
)

EVENT: Final = (
    local("PUT", "/v1/event/fire/{name}", event.fire, "Fire an event", "node", "service", "tag"),
    local("GET", "/v1/event/list", event.list_events, "Events", "name", "index", "wait"),
)

COORDINATE: Final = (
    local("GET", "/v1/coordinate/datacenters", coordinate.datacenters, "Of servers"),
    Route(
        "GET",
        "/v1/coordinate/nodes",
        Read(coordinate.nodes, as_json),
        "Coordinates of all nodes",
        (*READ, "segment"),
    ),
    Route(
        "GET",
        "/v1/coordinate/node/{node}",
        Read(coordinate.node, coordinate.show_node),
        "Coordinates of a node",
        (*READ, "segment"),
    ),
    Route(
        "PUT",
        "/v1/coordinate/update",
        Write(coordinate.update, as_empty),
        "Update a node's coordinate",
        WRITE,
    ),
)

OPERATOR: Final = (
    local(
        "GET",
        "/v1/operator/raft/configuration",
        operator.raft_configuration,
        "Servers of the log",
        "stale",
    ),
    local("DELETE", "/v1/operator/raft/peer", operator.remove_peer, "Remove", "id", "address"),
    local("POST", "/v1/operator/raft/transfer-leader", operator.transfer_leader, "Lead", "id"),
    local(
        "GET",
        "/v1/operator/autopilot/configuration",
        operator.autopilot_configuration,
        "Autopilot's configuration",
        "stale",
    ),
    local(
        "PUT",
        "/v1/operator/autopilot/configuration",
        operator.set_autopilot_configuration,
        "Set autopilot's configuration",
        "cas",
    ),
    local("GET", "/v1/operator/autopilot/health", operator.autopilot_health, "Health"),
    local("GET", "/v1/operator/autopilot/state", operator.autopilot_state, "State"),
    *(
        local(
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

SNAPSHOT: Final = (
    local("GET", "/v1/snapshot", snapshot.save, "Save the state", "stale"),
    local("PUT", "/v1/snapshot", snapshot.restore, "Restore the state"),
)
