"""UDP check: critical if the host says that nothing listens, passing otherwise.

UDP has no handshake: silence until the timeout is all that a service need give, so a passing run
lasts as long as the timeout unless the service answers. An empty datagram is sent.
"""

import asyncio
import socket
from typing import Final

from agent.checks.definition import CheckType
from agent.checks.dial import DialError, parse_target, reason, resolve
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.settings import NETWORK_TIMEOUT_NS, timeout_ns
from catalog.duration import SECOND

ANSWER_BYTES_MAX: Final = 1  # that something comes back is all that counts


class UdpProbe:
    """Sends one datagram and listens for a refusal or an answer."""

    def __init__(self, definition: CheckType) -> None:
        self._target = definition.udp
        self._timeout_s = timeout_ns(definition, NETWORK_TIMEOUT_NS) / SECOND

    async def run(self) -> Outcome:
        """Passing ``UDP connect x: Success``, or critical with the refusal."""
        try:
            async with asyncio.timeout(self._timeout_s):
                refusal = await self._refusal()
        except TimeoutError:
            refusal = None
        except DialError as error:
            return critical(str(error).replace("dial tcp", "dial udp", 1))
        except OSError as error:
            return critical(f"dial udp {self._target}: {reason(error)}")
        if refusal is not None:
            return critical(f"read udp {self._target}: {reason(refusal)}")
        return passing(f"UDP connect {self._target}: Success")

    async def _refusal(self) -> OSError | None:
        """The error that the host sends back, or None once the service answers."""
        addresses = await resolve(parse_target(self._target), socket.SOCK_DGRAM)
        address = addresses[0]
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            # A connected socket: the kernel hands an ICMP refusal to it as an error.
            link.connect((address.host, address.port))
            link.send(b"")
            try:
                await asyncio.get_running_loop().sock_recv(link, ANSWER_BYTES_MAX)
            except ConnectionError as refusal:
                return refusal
            return None
