"""Listeners of a proxy as Envoy's."""

from typing import Final

from agent.mesh.xds.access import rules_of
from agent.mesh.xds.names import Json, extension, seconds, socket_address
from agent.mesh.xds.routes import rate_limit, route_configuration
from agent.mesh.xds.tls import server_socket
from proxy.api import FilterChain, HttpOptions, Listener, ProxyConfig

DIRECTIONS: Final = {"inbound": "INBOUND", "outbound": "OUTBOUND"}


def listeners(config: ProxyConfig) -> list[Json]:
    """Every listener of a proxy."""
    return [_listener(listener) for listener in config.listeners]


def _listener(listener: Listener) -> Json:
    found: Json = {
        "name": listener.name,
        "address": socket_address(listener.address, listener.port, listener.path, listener.mode),
        "traffic_direction": DIRECTIONS.get(listener.direction, "UNSPECIFIED"),
        "filter_chains": [
            _chain(chain, listener, number) for number, chain in enumerate(listener.chains)
        ],
    }
    if any(chain.server_names for chain in listener.chains):
        inspector = "filters.listener.tls_inspector.v3.TlsInspector"
        found["listener_filters"] = [extension("tls_inspector", inspector, {})]
    return found


def _chain(chain: FilterChain, listener: Listener, number: int) -> Json:
    name = f"{listener.name}:{number}"
    filters = _http(chain, listener, name) if chain.protocol != "tcp" else _tcp(chain, name)
    found: Json = {"name": name, "filters": filters}
    if chain.server_names:
        found["filter_chain_match"] = {"server_names": list(chain.server_names)}
    if chain.tls is not None:
        found["transport_socket"] = server_socket(chain.tls)
        found["transport_socket_connect_timeout"] = seconds(listener.handshake_timeout_s)
    return found


def _tcp(chain: FilterChain, name: str) -> list[Json]:
    found: list[Json] = []
    if chain.policy is not None:
        rules = {"stat_prefix": "access", "rules": rules_of(chain.policy, is_http=False)}
        found.append(extension("access", "filters.network.rbac.v3.RBAC", rules))
    if chain.connections_max:
        limit = {"stat_prefix": name, "max_connections": chain.connections_max}
        kind = "filters.network.connection_limit.v3.ConnectionLimit"
        found.append(extension("limit", kind, limit))
    if chain.routes:
        proxy: Json = {"stat_prefix": name, "cluster": chain.routes[0].clusters[0].cluster}
        if chain.idle_timeout_s:
            proxy["idle_timeout"] = seconds(chain.idle_timeout_s)
        found.append(extension("tcp", "filters.network.tcp_proxy.v3.TcpProxy", proxy))
    return found


def _http(chain: FilterChain, listener: Listener, name: str) -> list[Json]:
    connection: Json = {
        "stat_prefix": name,
        "codec_type": "AUTO",
        "route_config": route_configuration(name, chain.routes),
        "http_filters": _http_filters(chain),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_protocol_options": {"accept_http_10": True},
        **_options(chain.http),
    }
    if chain.protocol != "http":
        connection["http2_protocol_options"] = {"allow_connect": True}
    if listener.direction == "outbound":
        connection["use_remote_address"] = False
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return [extension("http", kind, connection)]


def _http_filters(chain: FilterChain) -> list[Json]:
    found: list[Json] = []
    if chain.policy is not None:
        rules = {"rules": rules_of(chain.policy, is_http=True)}
        found.append(extension("access", "filters.http.rbac.v3.RBAC", rules))
    if chain.rate_limit is not None:
        limit = rate_limit(chain.rate_limit.per_second, chain.rate_limit.burst)
        kind = "filters.http.local_ratelimit.v3.LocalRateLimit"
        found.append(extension("limit", kind, limit))
    elif any(route.rate_limit for route in chain.routes):
        kind = "filters.http.local_ratelimit.v3.LocalRateLimit"
        found.append(extension("limit", kind, {"stat_prefix": "limit"}))
    if any(route.fault for route in chain.routes):
        found.append(extension("fault", "filters.http.fault.v3.HTTPFault", {}))
    return [*found, extension("router", "filters.http.router.v3.Router", {})]


def _options(options: HttpOptions) -> Json:
    found: Json = {
        "normalize_path": options.normalize_path,
        "merge_slashes": options.merge_slashes,
    }
    if options.escaped_slashes:
        found["path_with_escaped_slashes_action"] = options.escaped_slashes
    if options.headers_with_underscores:
        common = {"headers_with_underscores_action": options.headers_with_underscores}
        found["common_http_protocol_options"] = common
    if options.forwarded_client_cert:
        found["forward_client_cert_details"] = "APPEND_FORWARD"
        found["set_current_client_cert_details"] = {"subject": True, "uri": True}
    elif options.sanitize_client_cert:
        found["forward_client_cert_details"] = "SANITIZE"
    return found
