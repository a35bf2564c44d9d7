"""Every endpoint of the HTTP API, in one table: the only place that registers one.

From it come dispatch, 405 with Allow, OPTIONS, the API document and its tests.
Source: Consul API (https://developer.hashicorp.com/consul/api-docs).
"""

from typing import Final

from agent.http.route import Route
from agent.http.routes import acl, agent, cluster, keys, mesh, services, settings, web

ROUTES: Final[tuple[Route, ...]] = (
    *cluster.STATUS,
    *agent.AGENT,
    *services.CATALOG,
    *services.HEALTH,
    *keys.KV,
    *keys.SESSION,
    *cluster.EVENT,
    *cluster.COORDINATE,
    *settings.CONFIG,
    *settings.QUERY,
    *mesh.INTENTION,
    *mesh.CONNECT,
    *mesh.CHAIN,
    *mesh.VIEW,
    *mesh.WORKERS,
    *web.INTERNAL,
    *cluster.OPERATOR,
    *cluster.SNAPSHOT,
    *acl.ACL,
    *web.UI,
)
