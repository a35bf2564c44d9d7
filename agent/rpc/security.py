"""TLS on the servers' port: what this agent shows, whom it trusts, who may pose as a server.

``verify_outgoing`` makes it dial with TLS, to everybody: its own servers, those of the log and of
other datacenters. A server with a certificate answers TLS; without TLS it answers only while
``verify_incoming`` is off. With ``verify_server_hostname`` a server is who has a certificate for
``server.<datacenter>.<domain>``, whichever end dialled. Connections keep what they began with; new
ones go by the newest ``Terms``. Source: Consul, agent TLS; surface §5.2.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from agent.config import RuntimeConfig
from agent.tls import client_context, failure_reason, server_context

SECTION = "tls.internal_rpc"

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are made by one configuration; without contexts, without TLS.

    ``are_servers_named``: a peer that says it is a server must show a server's certificate.
    """

    incoming: ssl.SSLContext | None = None
    outgoing: ssl.SSLContext | None = None
    is_plain_accepted: bool = True
    are_servers_named: bool = False

    @staticmethod
    def of(config: RuntimeConfig) -> "Terms":
        """Read the certificates that the configuration names. Raises TlsError."""
        keys = config.tls.internal_rpc
        return Terms(
            incoming=server_context(keys, SECTION) if keys.cert_file else None,
            outgoing=client_context(keys, SECTION) if keys.verify_outgoing else None,
            is_plain_accepted=not keys.verify_incoming,
            are_servers_named=keys.verify_incoming and keys.verify_server_hostname,
        )


class Security:
    """How this agent dials and accepts; ``terms`` may be replaced at any time."""

    def __init__(self, datacenter: str, domain: str = "consul", terms: Terms | None = None) -> None:
        self.terms = terms or Terms()
        self._datacenter = datacenter
        self._domain = domain.strip(".").lower()

    def server_name(self, datacenter: str = "") -> str:
        """What the certificate of a datacenter's servers is for; of the own one without a name."""
        return f"server.{datacenter or self._datacenter}.{self._domain}"

    async def connect(
        self, protocol: Callable[[], P], host: str, port: int, datacenter: str = ""
    ) -> tuple[asyncio.Transport, P]:
        """Dial a server. Raises OSError; a refused certificate is a ConnectionError."""
        loop = asyncio.get_running_loop()
        context = self.terms.outgoing
        if context is None:
            return await loop.create_connection(protocol, host, port)
        name = self.server_name(datacenter)
        try:
            return await loop.create_connection(
                protocol, host, port, ssl=context, server_hostname=name
            )
        except ssl.SSLError as error:
            raise ConnectionError(f"tls: {failure_reason(error)}") from error

    def objection_to_server(self, transport: asyncio.BaseTransport) -> str:
        """What speaks against taking who dialled for a server of this datacenter; "" if nothing."""
        if not self.terms.are_servers_named:
            return ""
        wanted = self.server_name()
        if wanted in dns_names(transport.get_extra_info("peercert") or {}):
            return ""
        return f"the certificate is not for {wanted} (verify_server_hostname)"


def dns_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """The DNS names of a certificate as ``ssl`` shows it, in lower case."""
    names = certificate.get("subjectAltName", ())
    return frozenset(value.lower() for kind, value in names if kind == "DNS")
