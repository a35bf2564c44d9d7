"""A proxy whose handlers echo, and are kept for a test to look at."""

import asyncio
import ssl
from typing import Any

from proxy.connection import Facts
from proxy.serving import Serving
from tests.proxy.authority import Authority
from tests.proxy.carried import Pinger, Site, mutual_chain
from tests.proxy.far_end import calling

WAIT_S = 5.0


class Entered(Pinger):
    """A handler that shows which chain it was made for."""

    def __init__(self, serving: Serving, facts: Facts) -> None:
        super().__init__(echoes=True)
        self.serving, self.facts = serving, facts


class Door:
    """A proxy whose handlers are kept."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.entered: list[Entered] = []
        site.handler_of = self._enter

    def _enter(self, serving: Serving, facts: Facts) -> Entered:
        self.entered.append(Entered(serving, facts))
        return self.entered[-1]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.site.told.failures]


def door(authority: Authority, *chains: Any, **fields: Any) -> Door:
    return Door(Site(authority, "api", *(chains or (mutual_chain(),)), **fields))


async def talk(port: int, context: ssl.SSLContext, name: str = "") -> bytes:
    """Ping over TLS; what comes back, which is nothing if we are refused."""
    try:
        async with asyncio.timeout(WAIT_S):
            async with calling(port, ssl=context, server_hostname=name) as (reader, writer):
                writer.write(b"ping")
                answer: bytes = await reader.read(100)
                return answer
    except (ssl.SSLError, ConnectionError):
        return b""
