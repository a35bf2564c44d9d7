"""Requests and answers of aggregated discovery as protocol buffers.

This module alone needs the extra ``[xds]``; it is imported when the first stream comes. A gRPC
message on the wire is one byte (0: not compressed), its length (4 bytes, big endian) and itself.
"""

from typing import Any, Final, Protocol

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.connection_limit.v3 import connection_limit_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError

from agent.mesh.xds.names import Json
from agent.mesh.xds.session import Ask, Give

# Registered by being imported: what a resource may contain.
KNOWN: Final = (
    cluster_pb2, endpoint_pb2, listener_pb2, fault_pb2, local_rate_limit_pb2, http_rbac_pb2,
    router_pb2, tls_inspector_pb2, connection_limit_pb2, http_connection_manager_pb2, rbac_pb2,
    tcp_proxy_pb2, secret_pb2, tls_pb2, http_protocol_options_pb2,
)  # fmt: skip


class BadMessage(ValueError):
    """The bytes are no request of discovery."""


class Form(Protocol):
    """One of the two forms of the protocol."""

    def read(self, message: bytes) -> tuple[Ask, str]:
        """A request, and the id of the node that asks (empty but in the first)."""

    def written(self, give: Give) -> bytes:
        """An answer."""


class StateOfTheWorld:
    """``StreamAggregatedResources``."""

    def read(self, message: bytes) -> tuple[Ask, str]:
        """See `Form`. Raises BadMessage."""
        request = _parsed(discovery_pb2.DiscoveryRequest(), message)
        ask = Ask(
            type_url=request.type_url,
            nonce=request.response_nonce,
            names=tuple(request.resource_names),
            error=request.error_detail.message,
        )
        return ask, request.node.id

    def written(self, give: Give) -> bytes:
        """See `Form`."""
        answer = discovery_pb2.DiscoveryResponse(
            version_info=give.version,
            nonce=give.nonce,
            type_url=give.type_url,
            resources=[_packed(give.type_url, each) for each in give.resources.values()],
        )
        return bytes(answer.SerializeToString())


class Delta:
    """``DeltaAggregatedResources``."""

    def read(self, message: bytes) -> tuple[Ask, str]:
        """See `Form`. Raises BadMessage."""
        request = _parsed(discovery_pb2.DeltaDiscoveryRequest(), message)
        ask = Ask(
            type_url=request.type_url,
            nonce=request.response_nonce,
            names=tuple(request.resource_names_subscribe),
            gone=tuple(request.resource_names_unsubscribe),
            known=dict(request.initial_resource_versions),
            error=request.error_detail.message,
        )
        return ask, request.node.id

    def written(self, give: Give) -> bytes:
        """See `Form`."""
        resources = [
            discovery_pb2.Resource(
                name=name, version=give.versions[name], resource=_packed(give.type_url, each)
            )
            for name, each in give.resources.items()
        ]
        answer = discovery_pb2.DeltaDiscoveryResponse(
            system_version_info=give.version,
            nonce=give.nonce,
            type_url=give.type_url,
            resources=resources,
            removed_resources=give.removed,
        )
        return bytes(answer.SerializeToString())


def _parsed(message: Any, content: bytes) -> Any:
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise BadMessage(str(error)) from None
    return message


def _packed(type_url: str, resource: Json) -> any_pb2.Any:
    return json_format.ParseDict({"@type": type_url, **resource}, any_pb2.Any())
