"""A worker of ours and a stock Envoy, each a plain HTTP proxy in front of the same instance.

Envoy is told to do what ours does anyway, where it has a choice: pass on trailers, names in their
case, 100 (Continue) and WebSockets, serve HTTP/1.0, take the same sizes, and reset one stream for
one malformed message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from proxy.api import Cluster, Endpoint, EndpointGroup, FilterChain, HttpOptions, ProxyConfig
from tests.bench import mesh_world
from tests.bench.mesh_pairs import envoy, worker
from tests.bench.mesh_world import listener, named, of_type, route, write_envoy
from tests.system.agent_process import LOOPBACK, free_ports

WEB = "web"
HEADER_BYTES_MAX = HttpOptions().header_bytes_max
HEADER_COUNT_MAX = HttpOptions().header_count_max
STREAMS_MAX = 100
# Envoy waits so long after an answer that ends a connection; ours says the end at once.
DELAYED_CLOSE_S = 0.05
DRAIN_S = 0.1
PRESERVE_CASE = {
    "stateful_formatter": {
        "name": "preserve_case",
        "typed_config": {
            "@type": of_type("http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig")
        },
    }
}


@contextmanager
def both(backend_port: int, folder: Path) -> Iterator[dict[str, int]]:
    """The ports of the proxies, by their names: ours and envoy."""
    ours, envoys = free_ports(2)
    bootstrap = write_envoy(folder, "envoy", envoy_config(envoys, backend_port))
    with (
        worker(our_config(ours, backend_port), folder / "feed.sock"),
        envoy(bootstrap, envoys),
    ):
        yield {"ours": ours, "envoy": envoys}


def our_config(port: int, backend_port: int) -> ProxyConfig:
    """A sidecar with one upstream, which has one plain instance."""
    endpoint = Endpoint(id="instance", address=LOOPBACK, port=backend_port)
    cluster = Cluster(
        name=WEB,
        service=WEB,
        protocol="http",
        groups=(EndpointGroup(target=WEB, endpoints=(endpoint,)),),
        outlier=None,
    )
    chain = FilterChain(
        protocol="http", source="front", destination=WEB, routes=(route("all", WEB),)
    )
    return ProxyConfig(
        id="front-sidecar-proxy",
        service="front",
        listeners=(listener("outbound", port, chain),),
        clusters={WEB: cluster},
        drain_s=DRAIN_S,
    )


def envoy_config(port: int, backend_port: int) -> dict[str, Any]:
    """The same as a bootstrap of Envoy's."""
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": WEB}}]
    router = named("router", "http.router.v3.Router", {"suppress_envoy_headers": True})
    connections = {
        "stat_prefix": "http",
        "use_remote_address": True,
        "normalize_path": True,
        "proxy_100_continue": True,
        "server_header_transformation": "PASS_THROUGH",
        "delayed_close_timeout": f"{DELAYED_CLOSE_S}s",
        "max_request_headers_kb": HEADER_BYTES_MAX // 1024,
        "common_http_protocol_options": {"max_headers_count": HEADER_COUNT_MAX},
        "http_protocol_options": {
            "accept_http_10": True,
            "allow_custom_methods": True,
            "ignore_http_11_upgrade": [{"prefix": "TLS/"}],
            "enable_trailers": True,
            "header_key_format": PRESERVE_CASE,
        },
        "http2_protocol_options": {
            "allow_connect": True,
            "max_concurrent_streams": STREAMS_MAX,
            "override_stream_error_on_invalid_http_message": True,
        },
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
    }
    kind = "network.http_connection_manager.v3.HttpConnectionManager"
    chain = {"filters": [named("http", kind, connections)]}
    return mesh_world.envoy(port, chain, cluster_of_envoy(backend_port))


def cluster_of_envoy(backend_port: int) -> dict[str, Any]:
    """The instance; with a new connection for each request, as none can be stale then."""
    one = {"enable_trailers": True, "header_key_format": PRESERVE_CASE}
    options = {
        "@type": of_type("upstreams.http.v3.HttpProtocolOptions"),
        "common_http_protocol_options": {"max_requests_per_connection": 1},
        "explicit_http_config": {"http_protocol_options": one},
    }
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return mesh_world.envoy_cluster(WEB, backend_port) | {
        "typed_extension_protocol_options": {name: options}
    }


class Expected(msgspec.Struct, frozen=True):
    """What becomes of an input: what the client hears, and what the instance saw.

    ``heard``: statuses in their order, ``~`` after one that is cut short, then ``open`` or
    ``closed``. ``seen``: whole requests, as `odd_http_backend.shown` writes them; None where it
    depends on what is quicker.
    """

    heard: str
    seen: tuple[str, ...] | None = ()

    def allows(self, other: "Expected") -> bool:
        """Whether what became of an input is this."""
        return self.heard == other.heard and self.seen in {None, other.seen}
