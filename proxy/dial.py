"""Connecting to an endpoint: looked up, connected, and with TLS checked for who it is.

The peer of a mesh connection must show the certificate of the service that was meant: an address
may have been taken over by another one since the catalog was read. Source: Consul, connect
protocol.
"""

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from typing import Final, cast

from proxy.api import ClientTls, Endpoint
from proxy.carrier import SocketCarrier, linger
from proxy.connection import HandlerFactory, Peer
from proxy.core.spiffe import parse_peer
from proxy.handshake import client_session, reason_of, shake_hands
from proxy.listening import set_up
from proxy.serving import DialError
from proxy.tls import Contexts, peer_of
from proxy.tls_carrier import TlsCarrier

ADDRESSES_MAX: Final = 8  # of a name that are tried; who has more has them for balancing

Address = tuple[str, int] | tuple[str, int, int, int] | str


async def connect(
    endpoint: Endpoint,
    tls: ClientTls | None,
    contexts: Contexts,
    make: HandlerFactory,
    alpn: tuple[str, ...],
    timeout_s: float,
) -> None:
    """Connect within ``timeout_s`` and drive a handler. Raises proxy.serving.DialError."""
    try:
        async with asyncio.timeout(timeout_s):
            carrier = await _carrier(endpoint, tls, contexts, alpn)
    except TimeoutError:
        raise DialError(f"no connection within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise DialError(f"TLS: {reason_of(error)} ({error.reason or error})") from None
    except OSError as error:
        # The loops word the same failure differently; its number is what they agree on.
        number = error.errno or 0
        raise DialError(os.strerror(number) if number > 0 else str(error)) from None
    except (ValueError, OverflowError, TypeError) as error:
        # No such identity, or what was registered is no host, no port, no path.
        raise DialError(str(error)) from None
    carrier.start(make())


async def _carrier(
    endpoint: Endpoint, tls: ClientTls | None, contexts: Contexts, alpn: tuple[str, ...]
) -> SocketCarrier:
    loop = asyncio.get_running_loop()
    sock = await _connected(endpoint, loop)
    try:
        if tls is None:
            return SocketCarrier(sock, loop)
        session = client_session(contexts.client(tls, alpn), tls.server_name)
        await shake_hands(sock, session, loop)
    except ssl.SSLError:
        linger(sock, loop)  # so that the peer reads why
        raise
    except BaseException:
        sock.close()
        raise
    if not (tls.identity or tls.peer_uris):
        return TlsCarrier(sock, loop, session, is_strict=False)
    try:
        peer = _checked(peer_of(session.tls), tls, contexts)
    except DialError:
        sock.close()
        raise
    carrier = TlsCarrier(sock, loop, session, is_strict=True)
    contexts.dialled(peer, carrier)
    return carrier


async def _connected(endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> socket.socket:
    """A connected, non-blocking socket to the first address that answers. Raises OSError."""
    failure = OSError("the name has no address")
    for family, address in await _addresses(endpoint, loop):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            set_up(sock)
            await _connect(sock, address, loop)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _connect(sock: socket.socket, address: Address, loop: asyncio.AbstractEventLoop) -> None:
    """As ``loop.sock_connect``, which in uvloop asks a thread to look up what is no name."""
    try:
        sock.connect(address)
        return
    except BlockingIOError:
        answered: asyncio.Future[None] = loop.create_future()

    def answer() -> None:
        if not answered.done():
            answered.set_result(None)

    loop.add_writer(sock.fileno(), answer)
    try:
        await answered
    finally:
        loop.remove_writer(sock.fileno())
    if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


async def _addresses(
    endpoint: Endpoint, loop: asyncio.AbstractEventLoop
) -> list[tuple[int, Address]]:
    if endpoint.path:
        return [(socket.AF_UNIX, endpoint.path)]
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, endpoint.address)
            return [(family, (endpoint.address, endpoint.port))]
    found = await loop.getaddrinfo(endpoint.address, endpoint.port, type=socket.SOCK_STREAM)
    return [
        (family, cast("Address", address)) for family, _, _, _, address in found[:ADDRESSES_MAX]
    ]


def _checked(peer: Peer | None, tls: ClientTls, contexts: Contexts) -> Peer:
    """The peer, if it is one that was meant. Raises DialError."""
    if peer is None:
        raise DialError("the peer's certificate has no URI")
    if contexts.is_revoked(peer):
        raise DialError(f"the certificate {peer.serial} of {peer.uri} is revoked")
    if not any(is_same(peer, uri) for uri in tls.peer_uris):
        expected = " or ".join(tls.peer_uris) or "nobody"
        raise DialError(f"the peer is {peer.uri}, not {expected}")
    return peer


def is_same(peer: Peer, uri: str) -> bool:
    """Whether a URI names the peer, however it is escaped, and whatever the domain's case."""
    if peer.uri == uri:
        return True
    meant = parse_peer(uri, peer.serial)
    named = peer.trust_domain, peer.datacenter, peer.service
    return bool(peer.service) and named == (meant.trust_domain, meant.datacenter, meant.service)
