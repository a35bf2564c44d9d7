"""TCP check: passing if a connection (with TLS, if asked for) can be opened."""

import asyncio
import contextlib

from agent.checks.definition import CheckType
from agent.checks.dial import DialError, TlsUse, dial
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.settings import NETWORK_TIMEOUT_NS, timeout_ns
from agent.checks.tls import ClientTls, TlsDemand
from catalog.duration import SECOND


class TcpProbe:
    """Connects, then closes at once; nothing is sent."""

    def __init__(self, definition: CheckType, client_tls: ClientTls) -> None:
        self._definition = definition
        self._client_tls = client_tls
        self._timeout_s = timeout_ns(definition, NETWORK_TIMEOUT_NS) / SECOND

    async def run(self) -> Outcome:
        """Passing ``TCP connect x: Success`` or critical with the failed step."""
        definition = self._definition
        tls = None
        if definition.tcp_use_tls:
            context = self._client_tls.context(TlsDemand(skip_verify=definition.tls_skip_verify))
            tls = TlsUse(context, definition.tls_server_name)
        try:
            _, writer = await dial(definition.tcp, timeout_s=self._timeout_s, tls=tls)
        except DialError as error:
            return critical(str(error))
        close_quietly(writer)
        layer = "TCP+TLS" if tls else "TCP"
        return passing(f"{layer} connect {definition.tcp}: Success")


def close_quietly(writer: asyncio.StreamWriter) -> None:
    """Drop the connection without waiting for the peer's farewell."""
    with contextlib.suppress(OSError):
        writer.transport.abort()
