"""Connecting to an endpoint: looked up, connected, and with TLS checked for who it is.

The peer of a mesh connection must show the certificate of the service that was meant: an address
may have been taken over by another one since the catalog was read. Source: Consul, connect protocol.
"""

from proxy.api import ClientTls, Endpoint
from proxy.connection import HandlerFactory
from proxy.tls import Contexts


async def connect(
    endpoint: Endpoint,
    tls: ClientTls | None,
    contexts: Contexts,
    make: HandlerFactory,
    alpn: tuple[str, ...],
    timeout_s: float,
) -> None:
    """Connect within ``timeout_s`` and drive a handler. Raises proxy.serving.DialError."""
    raise NotImplementedError
