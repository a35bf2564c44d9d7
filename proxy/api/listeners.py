"""Where connections come in, and what is done with them."""

from typing import Literal

from proxy.api.identity import ServerTls
from proxy.api.policy import Policy
from proxy.api.protocol import HANDSHAKE_TIMEOUT_S, Protocol
from proxy.api.routes import RateLimit, Route
from proxy.api.value import Value


class HttpOptions(Value, frozen=True, kw_only=True):
    """How requests are read before anything is decided on them.

    ``forwarded_client_cert``: append the peer to ``x-forwarded-client-cert`` (inbound),
    ``sanitize_client_cert``: drop what came of it. ``reason_header``: tell denied peers why.
    """

    normalize_path: bool = True
    merge_slashes: bool = False
    escaped_slashes: str = ""
    headers_with_underscores: str = ""
    forwarded_client_cert: bool = False
    sanitize_client_cert: bool = False
    reason_header: bool = False
    header_bytes_max: int = 131_072
    header_count_max: int = 400


class FilterChain(Value, frozen=True, kw_only=True):
    """What is done with a connection that comes in with one of ``server_names`` (none: with any).

    ``tls`` None with server names: the bytes are passed on unread (mesh gateways). ``policy`` None:
    nobody is asked (outbound). ``source`` and ``destination`` name the edge in metrics; an empty
    one is told by the peer's identity, or by the cluster.
    """

    server_names: tuple[str, ...] = ()
    tls: ServerTls | None = None
    protocol: Protocol = "tcp"
    source: str = ""
    destination: str = ""
    policy: Policy | None = None
    routes: tuple[Route, ...] = ()
    http: HttpOptions = HttpOptions()
    connections_max: int = 0
    rate_limit: RateLimit | None = None
    idle_timeout_s: float = 0.0


class Listener(Value, frozen=True, kw_only=True):
    """An address that connections come in at: a host and a port, or the path of a Unix socket.

    ``direction``: inbound, outbound, gateway or exposed. ``mode``: of the socket's file.
    """

    name: str
    direction: Literal["inbound", "outbound", "gateway", "exposed"]
    address: str = ""
    port: int = 0
    path: str = ""
    mode: int = 0o600
    chains: tuple[FilterChain, ...] = ()
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
