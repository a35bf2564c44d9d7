"""Where to join: ``[name/]host[:port]`` as an operator writes it, and the addresses behind it.

A host is an IP address or a name with several addresses, each of which is a target. An IPv6
address with a port stands in brackets. Source: memberlist's join syntax.
"""

import asyncio
import ipaddress
import socket
from typing import Final, NamedTuple

from gossip.core.inputs import JoinTarget
from gossip.core.types import Address, normalized_ip
from gossip.errors import GossipError

ADDRESSES_MAX: Final = 64  # of one name; a join tries them one after the other
PORT_MAX: Final = 65535


class JoinAddress(NamedTuple):
    """What was written; ``name`` may be empty."""

    name: str
    host: str
    port: int


def parse(text: str, default_port: int) -> JoinAddress:
    """Read ``[name/]host[:port]``. Raises GossipError naming what is wrong."""
    name, _, where = text.strip().rpartition("/")
    host, port = where, str(default_port)
    if where.startswith("["):
        host, _, rest = where[1:].partition("]")
        if rest:
            port = rest.removeprefix(":")
    elif where.count(":") == 1:
        host, _, port = where.partition(":")
    if not host:
        raise GossipError(f"address {text!r} has no host; write [name/]host[:port]")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= PORT_MAX):
        raise GossipError(f"address {text!r}: port must be 1 to {PORT_MAX}, got {port!r}")
    return JoinAddress(name, host, int(port))


async def resolve(text: str, default_port: int) -> list[JoinTarget]:
    """The targets of one written address. Raises GossipError when there is none."""
    name, host, port = parse(text, default_port)
    try:
        ips = [ipaddress.ip_address(host).packed]
    except ValueError:
        ips = await _look_up(host)
    unique = dict.fromkeys(normalized_ip(ip) for ip in ips)
    return [JoinTarget(Address(ip, port), name) for ip in unique][:ADDRESSES_MAX]


async def _look_up(host: str) -> list[bytes]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise GossipError(f"Failed to resolve {host}: lookup {host}: no such host") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).packed for entry in found]
