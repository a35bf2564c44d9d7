"""Everything of one proxy as Envoy's resources, by type and name."""

from agent.mesh.xds.clusters import clusters, endpoints
from agent.mesh.xds.listeners import listeners
from agent.mesh.xds.names import CLUSTER, ENDPOINTS, LISTENER, SECRET, Json
from agent.mesh.xds.tls import secrets
from proxy.api import ProxyConfig

Resources = dict[str, dict[str, Json]]
"""``{type URL: {name: resource as JSON}}``."""


def resources_of(config: ProxyConfig) -> Resources:
    """The resources of a proxy. Pure; certificates and keys are in those of `SECRET`."""
    return {
        CLUSTER: _by(clusters(config), "name"),
        ENDPOINTS: _by(endpoints(config), "cluster_name"),
        SECRET: _by(secrets(config), "name"),
        LISTENER: _by(listeners(config), "name"),
    }


def _by(found: list[Json], key: str) -> dict[str, Json]:
    return {resource[key]: resource for resource in found}
