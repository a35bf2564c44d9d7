"""Keys of the front doors: ports, addresses, DNS, HTTP, UI and limits. Source: surface §5.2."""

from typing import Final

from agent.config.rules import (
    at_least,
    cidrs,
    each,
    json_object,
    not_negative,
    octal_mode,
    one_of,
    port,
    port_or_off,
    rate,
    ui_content_path,
    ui_provider,
    web_url,
    web_urls,
)
from agent.config.schema import LIVE, Section, opt, section
from catalog.duration import HOUR, SECOND, Duration

_KIB: Final = 1024


class Ports(Section, frozen=True):
    """Ports; -1 turns a door off."""

    dns: int = opt(8600, "DNS over UDP and TCP.", flag="-dns-port", check=port_or_off)
    http: int = opt(8500, "HTTP API and UI.", flag="-http-port", check=port_or_off)
    https: int = opt(-1, "HTTP API over TLS.", flag="-https-port", check=port_or_off)
    grpc: int = opt(-1, "gRPC API (xDS), plaintext.", flag="-grpc-port", check=port_or_off)
    grpc_tls: int = opt(-1, "gRPC API over TLS.", flag="-grpc-tls-port", check=port_or_off)
    serf_lan: int = opt(8301, "Gossip in the datacenter.", flag="-serf-lan-port", check=port)
    serf_wan: int = opt(
        8302, "Gossip between datacenters.", flag="-serf-wan-port", check=port_or_off
    )
    server: int = opt(8300, "RPC between agents.", flag="-server-port", check=port)
    proxy_min_port: int = opt(20000, "First port for managed proxies.", check=port)
    proxy_max_port: int = opt(20255, "Last port for managed proxies.", check=port)
    sidecar_min_port: int = opt(21000, "First port given to sidecars.", check=port)
    sidecar_max_port: int = opt(21255, "Last port given to sidecars.", check=port)
    expose_min_port: int = opt(21500, "First port for exposed checks.", check=port)
    expose_max_port: int = opt(21755, "Last port for exposed checks.", check=port)


class Addresses(Section, frozen=True):
    """Addresses of single doors; each falls back to ``client_addr``."""

    dns: str = opt("", "Addresses of DNS, separated by spaces.")
    http: str = opt("", "Addresses of HTTP, separated by spaces; unix:///path works too.")
    https: str = opt("", "Addresses of HTTPS, separated by spaces; unix:///path works too.")
    grpc: str = opt("", "Addresses of gRPC, separated by spaces; unix:///path works too.")
    grpc_tls: str = opt("", "Addresses of gRPC over TLS, separated by spaces.")


class UnixSockets(Section, frozen=True):
    """Owner and permissions of Unix sockets."""

    user: str = opt("", "Owner of the sockets: a name or a number.")
    group: str = opt("", "Group of the sockets: a name or a number.")
    mode: str = opt("", "Permissions in octal.", check=octal_mode)


class SOA(Section, frozen=True):
    """Numbers of the SOA record, in seconds."""

    refresh: int = opt(3600, "Seconds between refreshes.", check=not_negative)
    retry: int = opt(600, "Seconds between retries.", check=not_negative)
    expire: int = opt(86400, "Seconds until the zone expires.", check=not_negative)
    min_ttl: int = opt(0, "Seconds that a negative answer may be kept.", check=not_negative)


class DNSConfig(Section, frozen=True):
    """How DNS answers."""

    allow_stale: bool = opt(True, "Let any server answer, not only the leader.")
    a_record_limit: int = opt(0, "Address records in an answer; 0 means all.", check=not_negative)
    disable_compression: bool = opt(False, "Write names in full.")
    enable_truncate: bool = opt(False, "Set the TC bit when a UDP answer was cut.")
    max_stale: Duration = opt(87600 * HOUR, "Oldest answer a non-leader may give.")
    node_ttl: Duration = opt(0, "TTL of node answers.", check=not_negative)
    only_passing: bool = opt(False, "Leave out instances in warning state.")
    recursor_strategy: str = opt(
        "sequential", "How recursors are tried.", check=one_of("", "sequential", "random")
    )
    recursor_timeout: Duration = opt(2 * SECOND, "Wait for one recursor.", check=not_negative)
    service_ttl: dict[str, Duration] = opt(
        {}, "TTL by service name; * and prefix* match more.", check=each(not_negative, "TTL")
    )
    udp_answer_limit: int = opt(3, "Service records in a UDP answer.", check=not_negative)
    enable_additional_node_meta_txt: bool = opt(True, "Add node metadata as TXT records.")
    soa: SOA = section(SOA, "The SOA record.", reload=LIVE)
    use_cache: bool = opt(False, "Answer from the agent's cache.")
    cache_max_age: Duration = opt(0, "Oldest cached answer given.", check=not_negative)
    prefer_namespace: bool = opt(False, "Read a single label as a namespace (not supported).")


class HTTPConfig(Section, frozen=True):
    """How HTTP answers."""

    block_endpoints: tuple[str, ...] = opt((), "Path prefixes answered with 403.", reload=LIVE)
    allow_write_http_from: tuple[str, ...] = opt(
        (),
        "Ranges that may write to the agent.",
        flag="-allow-write-http-from",
        reload=LIVE,
        check=cidrs,
    )
    response_headers: dict[str, str] = opt({}, "Headers added to every answer.", reload=LIVE)
    use_cache: bool = opt(True, "Let ?cached answer from the agent's cache.", reload=LIVE)
    max_header_bytes: int = opt(0, "Bytes of a request's head; 0 means 1 MiB.", check=not_negative)


class Header(Section, frozen=True):
    """One header to add."""

    name: str = opt("", "Name of the header.")
    value: str = opt("", "Value of the header.", secret=True)


class MetricsProxy(Section, frozen=True):
    """The UI's way to its metrics store."""

    base_url: str = opt("", "URL of the store.", check=web_url)
    add_headers: tuple[Header, ...] = opt((), "Headers added to each request.")
    path_allowlist: tuple[str, ...] = opt((), "Paths that may be asked; empty means all.")


class UIConfig(Section, frozen=True):
    """The web UI."""

    enabled: bool = opt(False, "Serve the UI.", flag="-ui", reload=LIVE)
    dir: str = opt("", "Serve the UI from this directory.", flag="-ui-dir")
    content_path: str = opt(
        "/ui/", "Path of the UI.", flag="-ui-content-path", check=ui_content_path
    )
    metrics_provider: str = opt("", "Name of the metrics provider.", check=ui_provider)
    metrics_provider_files: tuple[str, ...] = opt((), "Scripts of the provider.")
    metrics_provider_options_json: str = opt(
        "", "Options for the provider, as JSON text.", check=json_object
    )
    metrics_proxy: MetricsProxy = section(MetricsProxy, "The way to the metrics store.")
    dashboard_url_templates: dict[str, str] = opt({}, "Links to dashboards.", check=web_urls)


class RequestLimits(Section, frozen=True):
    """Limits on the rate of requests to a server."""

    mode: str = opt(
        "disabled", "What a passed limit does.", check=one_of("disabled", "permissive", "enforcing")
    )
    read_rate: float = opt(-1.0, "Reads a second; -1 means no limit.", check=rate)
    write_rate: float = opt(-1.0, "Writes a second; -1 means no limit.", check=rate)


class Limits(Section, frozen=True):
    """Limits on what clients may use."""

    http_max_conns_per_client: int = opt(
        200, "HTTP connections of one address; 0 means no limit.", reload=LIVE, check=not_negative
    )
    https_handshake_timeout: Duration = opt(
        5 * SECOND, "Wait for an HTTPS handshake.", check=not_negative
    )
    rpc_handshake_timeout: Duration = opt(
        5 * SECOND, "Wait for the first byte and the TLS handshake.", check=not_negative
    )
    rpc_client_timeout: Duration = opt(
        60 * SECOND, "Wait for a server's answer.", reload=LIVE, check=not_negative
    )
    rpc_rate: float = opt(
        -1.0, "RPCs to servers a second; -1 means no limit.", reload=LIVE, check=rate
    )
    rpc_max_burst: int = opt(1000, "RPCs at once within the rate.", reload=LIVE, check=not_negative)
    rpc_max_conns_per_client: int = opt(
        100, "RPC connections of one address; 0 means no limit.", reload=LIVE, check=not_negative
    )
    kv_max_value_size: int = opt(512 * _KIB, "Bytes of a KV value.", check=at_least(1))
    txn_max_req_len: int = opt(512 * _KIB, "Bytes of a transaction.", check=at_least(1))
    request_limits: RequestLimits = section(RequestLimits, "Rates of requests.", reload=LIVE)
