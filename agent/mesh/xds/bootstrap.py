"""What a stock Envoy is started with, so that it asks this agent for all the rest."""

from typing import Final

import msgspec

from agent.mesh.xds.names import ADS, Json

AGENT_CLUSTER: Final = "local_agent"


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """``agent``: where gRPC is served. ``admin``: where Envoy's own pages are; port 0: anywhere."""

    proxy_id: str
    service: str
    agent_address: str
    agent_port: int
    admin_address: str = "127.0.0.1"
    admin_port: int = 19000
    token: str = ""


def bootstrap_of(wanted: Bootstrap) -> Json:
    """The file for ``envoy -c``."""
    metadata = [{"key": "x-consul-token", "value": wanted.token}] if wanted.token else []
    at = {"address": wanted.agent_address, "port_value": wanted.agent_port}
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": {"socket_address": at}}}
    agent = {
        "name": AGENT_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
        },
        "load_assignment": {
            "cluster_name": AGENT_CLUSTER,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    grpc = {
        "initial_metadata": metadata,
        "envoy_grpc": {"cluster_name": AGENT_CLUSTER},
    }
    admin = {"address": wanted.admin_address, "port_value": wanted.admin_port}
    return {
        "admin": {"address": {"socket_address": admin}},
        "node": {"id": wanted.proxy_id, "cluster": wanted.service},
        "static_resources": {"clusters": [agent]},
        "dynamic_resources": {
            "lds_config": ADS,
            "cds_config": ADS,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": grpc,
            },
        },
    }
