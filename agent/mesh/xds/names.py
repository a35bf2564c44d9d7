"""Names of Envoy's v3 API that several resources need."""

from typing import Any, Final

Json = dict[str, Any]

LISTENER: Final = "type.googleapis.com/envoy.config.listener.v3.Listener"
CLUSTER: Final = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type
IN_ORDER: Final = (CLUSTER, ENDPOINTS, SECRET, LISTENER)
"""The order in which a change is sent: nothing refers to what is not there yet."""
ADS: Final[Json] = {"ads": {}, "resource_api_version": "V3"}
ROOTS: Final = "roots"
"""The secret with what peers are checked against."""


def extension(name: str, kind: str, fields: Json) -> Json:
    """A typed extension; ``kind`` is its message below ``envoy.extensions``."""
    return {"name": name, "typed_config": typed(kind, fields)}


def typed(kind: str, fields: Json) -> Json:
    """A message below ``envoy.extensions`` as an Any."""
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}


def seconds(value_s: float) -> str:
    """A duration as protocol buffers write it in JSON."""
    return f"{value_s:.3f}s"


def socket_address(address: str, port: int, path: str, mode: int = 0) -> Json:
    """An address of Envoy: of a port, or of a Unix socket."""
    if path:
        return {"pipe": {"path": path, "mode": mode} if mode else {"path": path}}
    return {"socket_address": {"address": address, "port_value": port}}
