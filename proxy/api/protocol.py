"""What a connection carries, and defaults that several parts share."""

from typing import Final, Literal

Protocol = Literal["tcp", "http", "http2", "grpc"]
"""All but ``tcp`` are routed one request at a time."""
ANY: Final = "*"
"""Every service."""
CONNECT_TIMEOUT_S: Final = 5.0  # Consul's default
REQUEST_TIMEOUT_S: Final = 15.0  # Envoy's default for a route
IDLE_TIMEOUT_S: Final = 300.0  # Envoy's default for a stream
HANDSHAKE_TIMEOUT_S: Final = 10.0  # Consul's built-in proxy: a peer that never speaks is dropped
