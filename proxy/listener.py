"""Accepting: from a listening socket to a handler of the filter chain that a connection is for.

A listener whose chains speak TLS, or are chosen by server name, reads the ClientHello first: it
says which chain is meant. A chain that does not speak TLS itself gets the bytes unread. What does
not come to content is counted with a reason and never reaches a handler.
Source: Consul, connect protocol; Envoy's filter chain match.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from proxy.api import Listener
from proxy.carrier import SocketCarrier, linger
from proxy.connection import Facts, Handler, Peer
from proxy.core.client_hello import (
    HELLO_BYTES_MAX,
    BadHelloError,
    ClientHello,
    parse_client_hello,
)
from proxy.handshake import reason_of, server_session, shake_hands
from proxy.listening import bind, place_of_peer, set_up
from proxy.serving import Serving
from proxy.tls import Contexts, CredentialsError, peer_of
from proxy.tls_carrier import Session, TlsCarrier

__all__ = ["Acceptor", "bind"]

ACCEPTED_AT_ONCE_MAX: Final = 64  # then what is open gets its turn
HANDSHAKES_MAX: Final = 1024
"""Under way at one listener; each holds some 50 KiB. One more takes the place of the oldest: who
comes in takes milliseconds, so that those that never say anything keep nobody out."""
ACCEPT_PAUSE_S: Final = 0.1  # without file descriptors: accepting again at once would fail, too

_NO_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_UNRECOGNIZED_NAME: Final = b"\x15\x03\x03\x00\x02\x02\x70"
"""A fatal TLS alert: no chain is for the name that was asked for. Source: RFC 8446 section 6."""

HandlerOf = Callable[[Serving, Facts], Handler]
_Handshake = tuple[Facts, Callable[[], None]]
"""Whose it is, and what gives it up."""

_log = logging.getLogger("proxy.listener")


class RefusedError(Exception):
    """A connection is not let in; the text is a short stable word. The peer is sent ``alert``."""

    def __init__(self, reason: str, alert: bytes = b"") -> None:
        super().__init__(reason)
        self.alert = alert


class Acceptor:
    """Accepts at one listening socket; asks for the newest listener and chains each time."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        listener: Callable[[], Listener],
        chains: Callable[[], Sequence[Serving]],
        contexts: Contexts,
        handler_of: HandlerOf,
    ) -> None:
        self._sock = sock
        self._listener = listener
        self._chains = chains
        self._contexts = contexts
        self._handler_of = handler_of
        self._handshakes: OrderedDict[socket.socket, _Handshake] = OrderedDict()  # oldest first
        self._is_accepting = False
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._loop = asyncio.get_running_loop()
        self._sock.setblocking(False)
        self._is_accepting = True
        self._loop.add_reader(self._sock.fileno(), self._acceptable)

    def stop(self) -> socket.socket:
        """Accept no more; connections in their handshake go on. The socket is the caller's."""
        if self._pause is not None:
            self._pause.cancel()
        elif self._is_accepting:
            self._loop.remove_reader(self._sock.fileno())
        self._is_accepting = False
        return self._sock

    def _acceptable(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE_MAX):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_RESOURCES:
                    self._pause_accepting(error)
                    return
                continue  # the peer has gone already
            set_up(sock)
            self._accepted(sock, place_of_peer(address))

    def _pause_accepting(self, error: OSError) -> None:
        _log.warning("accepting is paused: %s", error.strerror)
        self._loop.remove_reader(self._sock.fileno())
        self._pause = self._loop.call_later(ACCEPT_PAUSE_S, self._resume_accepting)

    def _resume_accepting(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock.fileno(), self._acceptable)

    def _accepted(self, sock: socket.socket, remote: str) -> None:
        chains = self._chains()
        if not chains:
            sock.close()
            return
        local = place_of_peer(sock.getsockname())
        facts = Facts(listener=self._listener().name, remote=remote, local=local)
        if all(_is_plain(serving) for serving in chains):
            self._begin(chains[0], facts, SocketCarrier(sock, self._loop))
        else:
            if len(self._handshakes) >= HANDSHAKES_MAX:
                _, (oldest, give_up) = self._handshakes.popitem(last=False)
                give_up()
                chains[0].recorder.handshake_failed(oldest, "too-many-handshakes")
            welcome = self._welcome(sock, facts, chains)
            self._handshakes[sock] = facts, chains[0].start(f"handshake of {remote}", welcome)

    async def _welcome(self, sock: socket.socket, facts: Facts, chains: Sequence[Serving]) -> None:
        """Read the hello, choose the chain, go through the handshake, and hand over."""
        recorder = chains[0].recorder
        try:
            async with asyncio.timeout(self._listener().handshake_timeout_s):
                await self._greet(sock, facts, chains)
        except RefusedError as refusal:
            recorder.handshake_failed(facts, str(refusal))
            if refusal.alert:
                _send_last(sock, refusal.alert)
            linger(sock, self._loop)
        except ssl.SSLError as error:
            recorder.handshake_failed(facts, reason_of(error))
            linger(sock, self._loop)  # so that the peer reads the alert
        except OSError as error:  # a time-out is one
            recorder.handshake_failed(facts, reason_of(error))
            sock.close()
        except BaseException:
            sock.close()
            raise
        finally:
            self._handshakes.pop(sock, None)

    async def _greet(self, sock: socket.socket, facts: Facts, chains: Sequence[Serving]) -> None:
        received, hello = await self._hello(sock, chains)
        name = "" if hello is None else hello.server_name
        serving = _plain_chain(chains) if hello is None else choose_chain(chains, name)
        if serving is None:
            raise RefusedError("unknown-server-name", _UNRECOGNIZED_NAME)
        facts = _named(facts, name, None, "")
        tls = serving.chain.tls
        if tls is None:
            self._begin(serving, facts, SocketCarrier(sock, self._loop, received))
            return
        try:
            session = server_session(self._contexts.server(tls))
        except CredentialsError as error:
            _log.warning("listener %s: %s", facts.listener, error)
            raise RefusedError("no-certificate-here") from None
        session.incoming.write(received)
        await shake_hands(sock, session, self._loop)
        peer = self._peer(session) if tls.mutual else None
        alpn = session.tls.selected_alpn_protocol() or ""
        carrier = TlsCarrier(sock, self._loop, session, is_strict=tls.mutual)
        self._begin(serving, _named(facts, name, peer, alpn), carrier)

    async def _hello(
        self, sock: socket.socket, chains: Sequence[Serving]
    ) -> tuple[bytes, ClientHello | None]:
        """What was read, and the hello in it; None if it is not TLS and need not be."""
        received = b""
        while True:
            more = await self._loop.sock_recv(sock, HELLO_BYTES_MAX - len(received))
            if not more:
                raise ConnectionResetError("closed before its hello")
            received += more
            try:
                hello = parse_client_hello(received)
            except BadHelloError as error:
                if error.reason == "not-tls" and _plain_chain(chains) is not None:
                    return received, None
                raise RefusedError(error.reason) from None
            if hello is not None:
                return received, hello

    def _peer(self, session: Session) -> Peer:
        peer = peer_of(session.tls)
        if peer is None:
            raise RefusedError("no-identity")
        if self._contexts.is_revoked(peer):
            raise RefusedError("revoked-certificate")
        return peer

    def _begin(self, serving: Serving, facts: Facts, carrier: SocketCarrier) -> None:
        if not serving.admits_connection():
            serving.recorder.handshake_failed(facts, "too-many-connections")
            carrier.refuse()
            return
        carrier.start(self._handler_of(serving, facts))


def choose_chain(chains: Sequence[Serving], server_name: str) -> Serving | None:
    """The chain of exactly this name, else of its longest wildcard, else the one without names."""
    wanted = [server_name, *_wildcards(server_name), ""] if server_name else [""]
    for name in wanted:
        for serving in chains:
            names = serving.chain.server_names
            if (name in names) if name else not names:
                return serving
    return None


def _wildcards(server_name: str) -> list[str]:
    """``a.b.c``: ``*.b.c``, ``*.c``, ``*``."""
    labels = server_name.split(".")
    return ["*." + ".".join(labels[at:]) for at in range(1, len(labels))] + ["*"]


def _is_plain(serving: Serving) -> bool:
    return serving.chain.tls is None and not serving.chain.server_names


def _plain_chain(chains: Sequence[Serving]) -> Serving | None:
    return next(filter(_is_plain, chains), None)


def _named(facts: Facts, server_name: str, peer: Peer | None, alpn: str) -> Facts:
    return Facts(
        listener=facts.listener,
        remote=facts.remote,
        local=facts.local,
        peer=peer,
        server_name=server_name,
        alpn=alpn,
    )


def _send_last(sock: socket.socket, alert: bytes) -> None:
    try:
        sock.send(alert)
    except OSError:
        return  # it has gone, or reads nothing
