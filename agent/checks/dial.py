"""Opening a TCP or TLS connection to a check's target, with errors that name the step.

Targets are ``host:port`` or ``[v6]:port``. Each address of the host gets a fair part of the time
left, so one that swallows packets does not hide one that answers.
"""

import asyncio
import os
import socket
import ssl
from typing import Final

import msgspec
from typing_extensions import override

from agent.clock import monotonic_s

PORT_MAX: Final = 65535  # 16 bits on the wire
ADDRESSES_MAX: Final = 16  # of one name; more would leave each less than a second of ten

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class DialError(Exception):
    """The connection did not come about; ``str()`` says at which step and why."""


class Target(msgspec.Struct, frozen=True):
    """Where to connect."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TlsUse(msgspec.Struct, frozen=True):
    """TLS on top of the connection; an empty ``server_name`` means the target's host."""

    context: ssl.SSLContext
    server_name: str = ""


def parse_target(text: str) -> Target:
    """``host:port`` or ``[v6]:port``. Raises DialError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or host.endswith(":"):
        raise DialError(f"dial tcp: address {text}: missing port in address")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise DialError(f"dial tcp: address {text}: too many colons in address")
    if not (port.isascii() and port.isdigit() and int(port) <= PORT_MAX):
        raise DialError(f"dial tcp: address {text}: invalid port, want 0 to 65535")
    return Target(host or "localhost", int(port))


async def dial(text: str, *, timeout_s: float, tls: TlsUse | None = None) -> Stream:
    """Connect within ``timeout_s``. Raises DialError."""
    target = parse_target(text)
    deadline_s = monotonic_s() + timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            addresses = await resolve(target, socket.SOCK_STREAM)
    except TimeoutError:
        raise DialError(f"dial tcp: lookup {target.host}: i/o timeout") from None
    failure = DialError(f"dial tcp: lookup {target.host}: no such host")
    for tried, address in enumerate(addresses):
        share_s = (deadline_s - monotonic_s()) / (len(addresses) - tried)
        try:
            async with asyncio.timeout(share_s):
                return await _connect(address, target, tls)
        except TimeoutError:
            failure = DialError(f"dial tcp {address}: i/o timeout")
        except ssl.SSLError as error:
            raise DialError(f"tls: {tls_reason(error)}") from None
        except (OSError, EOFError) as error:
            failure = DialError(f"dial tcp {address}: connect: {reason(error)}")
    raise failure


async def resolve(target: Target, kind: socket.SocketKind) -> list[Target]:
    """The numeric addresses of ``target``, in the system's order. Raises DialError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=kind)
    except (OSError, UnicodeError):
        raise DialError(f"dial tcp: lookup {target.host}: no such host") from None
    return [Target(str(address[0]), target.port) for *_, address in found[:ADDRESSES_MAX]]


async def _connect(address: Target, target: Target, tls: TlsUse | None) -> Stream:
    if tls is None:
        return await asyncio.open_connection(address.host, address.port)
    return await asyncio.open_connection(
        address.host,
        address.port,
        ssl=tls.context,
        server_hostname=tls.server_name or target.host,
    )


def reason(error: BaseException) -> str:
    """Why a system call failed, in the system's words without its number."""
    if isinstance(error, OSError) and error.strerror:
        # The loop words a refusal as "Connect call failed (...)"; the number tells it plainly.
        number = error.errno
        return (os.strerror(number) if number and number > 0 else error.strerror).lower()
    return str(error) or type(error).__name__


def tls_reason(error: ssl.SSLError) -> str:
    """Why a handshake failed: the verifier's reason where there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"failed to verify certificate: {error.verify_message}"
    return (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
