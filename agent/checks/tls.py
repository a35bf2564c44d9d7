"""TLS contexts for checks: made when first needed, shared by all checks that want the same.

Loading the system's trust store takes 10 ms or more, too long to do on each run.
"""

import ssl
from collections.abc import Callable

import msgspec


class TlsDemand(msgspec.Struct, frozen=True):
    """What a check wants of its context. ``http2`` offers h2 by ALPN."""

    skip_verify: bool = False
    http2: bool = False


class ClientTls:
    """The contexts in use. The server name belongs to each connection, not to its context."""

    def __init__(self, agent_tls: Callable[[], ssl.SSLContext] | None = None) -> None:
        self._agent_tls = agent_tls
        self._contexts: dict[TlsDemand, ssl.SSLContext] = {}  # at most one of each demand: four

    def context(self, demand: TlsDemand) -> ssl.SSLContext:
        """The context for ``demand``: the agent's certificate and CA where that is configured."""
        context = self._contexts.get(demand)
        if context is None:
            context = self._contexts[demand] = self._build(demand)
        return context

    def forget(self) -> None:
        """Build anew from now on; called when the agent's certificate changes."""
        self._contexts.clear()

    def _build(self, demand: TlsDemand) -> ssl.SSLContext:
        context = self._agent_tls() if self._agent_tls else ssl.create_default_context()
        if demand.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if demand.http2:
            context.set_alpn_protocols(["h2"])
        return context
