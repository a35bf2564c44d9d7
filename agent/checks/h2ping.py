"""HTTP/2 ping check: passing if the target answers a PING frame; with TLS unless turned off."""

import asyncio

from agent.checks.definition import CheckType
from agent.checks.dial import DialError, TlsUse, dial
from agent.checks.http2 import Http2Client, Http2Error
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.settings import NETWORK_TIMEOUT_NS, timeout_ns
from agent.checks.tls import ClientTls, TlsDemand
from catalog.duration import SECOND


class H2PingProbe:
    """Opens a connection, pings once, closes."""

    def __init__(self, definition: CheckType, client_tls: ClientTls) -> None:
        self._definition = definition
        self._client_tls = client_tls
        self._timeout_s = timeout_ns(definition, NETWORK_TIMEOUT_NS) / SECOND

    async def run(self) -> Outcome:
        """Passing once the ping is answered, else critical with the failed step."""
        target = self._definition.h2ping
        try:
            async with asyncio.timeout(self._timeout_s):
                stream = await dial(target, timeout_s=self._timeout_s, tls=self._tls())
                client = Http2Client(stream)
                try:
                    await client.ping()
                finally:
                    client.close()
        except DialError as error:
            return critical(f"Failed to dial to {target}: {error}")
        except Http2Error as error:
            return critical(f"HTTP2 ping failed: {error}")
        except TimeoutError:
            return critical("HTTP2 ping failed: context deadline exceeded")
        return passing("HTTP2 ping was successful")

    def _tls(self) -> TlsUse | None:
        definition = self._definition
        if not definition.h2ping_use_tls:
            return None
        demand = TlsDemand(skip_verify=definition.tls_skip_verify, http2=True)
        return TlsUse(self._client_tls.context(demand), definition.tls_server_name)
