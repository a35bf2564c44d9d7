"""The addresses of this host's interfaces, as the kernel tells them on Linux.

Read at the edge and handed to ``load``; the configuration itself asks the system nothing.
"""

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Final

from agent.config.sockaddr import Interface

_GET_ADDRESS: Final = 0x8915  # SIOCGIFADDR of netdevice(7)
_NAME_BYTES: Final = 15  # IFNAMSIZ less the closing zero
_IPV6_TABLE: Final = Path("/proc/net/if_inet6")


def read_interfaces() -> tuple[Interface, ...]:
    """IPv4 addresses, then IPv6 ones, each in the kernel's order; link-local IPv6 is left out.

    A device with several IPv4 addresses gives its first. Unreadable parts give nothing.
    """
    return (*_ipv4(), *_ipv6())


def _ipv4() -> list[Interface]:
    found: list[Interface] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:_NAME_BYTES])
            try:
                answer = fcntl.ioctl(probe.fileno(), _GET_ADDRESS, request)
            except OSError:
                # The device has no IPv4 address, or went away.
                continue
            found.append(Interface(name, socket.inet_ntoa(answer[20:24])))
    return found


def _ipv6() -> list[Interface]:
    try:
        lines = _IPV6_TABLE.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found: list[Interface] = []
    for line in lines:
        digits, *_, name = line.split()
        address = ipaddress.IPv6Address(bytes.fromhex(digits))
        if not address.is_link_local:
            found.append(Interface(name, str(address)))
    return found
