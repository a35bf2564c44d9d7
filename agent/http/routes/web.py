"""The web page and what it asks."""

from typing import Final

from agent.http.handlers import explain, feed, internal, topology, ui
from agent.http.handlers.shared import as_json
from agent.http.route import Read, Route
from agent.http.routes.parts import READ, local

INTERNAL: Final = (
    Route(
        "GET",
        "/v1/internal/ui/nodes",
        Read(internal.nodes, as_json),
        "Nodes with all that is on them",
        (*READ, "filter"),
    ),
    Route(
        "GET",
        "/v1/internal/ui/node/{node}",
        Read(internal.node, internal.show_node),
        "A node with all that is on it",
        READ,
    ),
    Route(
        "GET",
        "/v1/internal/ui/services",
        Read(internal.services, internal.show_services),
        "Services, summed up",
        (*READ, "filter"),
    ),
    Route(
        "GET",
        "/v1/internal/ui/service-topology/{service}",
        Read(topology.get, topology.show),
        "A service with those that it calls and that call it",
        (*READ, "kind"),
    ),
    local(
        "GET",
        "/v1/internal/mesh/explain",
        explain.explain,
        "Why a request between two services goes where it goes",
        "source",
        "destination",
        "method",
        "path",
        "host",
        "header",
    ),
    local(
        "GET",
        "/v1/internal/mesh/feed",
        feed.feed,
        "Where a worker of the data plane is told what to serve",
    ),
)

UI: Final = (
    local("GET", "/", ui.root, "The way to the web page"),
    local("GET", "/ui/{file}", ui.page, "The web page"),
)
