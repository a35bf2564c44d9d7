"""TLS of one proxy: contexts made from its newest certificates, and who the peer is.

A changed leaf, root or setting gives new contexts, which new handshakes use; connections that are
open go on with what they began with. All roots are believed, so a rotation fails nobody. Sessions
are never resumed: a ticket would let in who was revoked, or expired, since. Keys reach OpenSSL
through memory, not through a file that could stay.
Source: RFC 8446; Consul, certificate authority and terminating gateways.
"""

import os
import ssl
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Final, cast
from weakref import WeakSet

from proxy.api import ClientTls, Identity, ProxyConfig, ServerTls, TlsVersions
from proxy.connection import Carrier, Peer
from proxy.core.spiffe import parse_peer

CONTEXTS_MAX: Final = 256  # a gateway has one for each service and direction; the rest is stale

TlsSession = ssl.SSLObject | ssl.SSLSocket

_VERSIONS: Final = {
    "": None,
    "TLSv1_2": ssl.TLSVersion.TLSv1_2,
    "TLSv1_3": ssl.TLSVersion.TLSv1_3,
}


class CredentialsError(ValueError):
    """There is no such identity, or what was given is not PEM that OpenSSL takes."""


class Contexts:
    """The contexts of one proxy, kept by what they were made from."""

    def __init__(self, config: ProxyConfig) -> None:
        self._kept: OrderedDict[Hashable, ssl.SSLContext] = OrderedDict()
        self._dialled: dict[str, WeakSet[Carrier]] = {}  # by the serial of who answered
        self.update(config)

    def update(self, config: ProxyConfig) -> None:
        """Use this configuration's identities, roots and revoked serials from now on.

        Connections to instances whose certificates are revoked are cut.
        """
        self._config = config
        self._roots = "\n".join(config.roots_pem)
        self._revoked = frozenset(serial.lower() for serial in config.revoked)
        for serial in self._revoked & self._dialled.keys():
            for carrier in tuple(self._dialled[serial]):
                carrier.abort()
        self._dialled = {serial: kept for serial, kept in self._dialled.items() if kept}

    def dialled(self, peer: Peer, carrier: Carrier) -> None:
        """A connection was made to a peer: it ends when that one's certificate is revoked."""
        self._dialled.setdefault(peer.serial, WeakSet()).add(carrier)

    def is_revoked(self, peer: Peer) -> bool:
        """Whether the peer's certificate was revoked."""
        return peer.serial in self._revoked

    def server(self, tls: ServerTls) -> ssl.SSLContext:
        """For accepting. Raises CredentialsError."""
        if tls.identity:
            identity = self._identity(tls.identity)
            chain, key = identity.certificates_pem, identity.private_key_pem
        else:
            chain, key = tls.certificates_pem, tls.private_key_pem
        roots = self._roots if tls.mutual else ""

        def make() -> ssl.SSLContext:
            context = _context(ssl.PROTOCOL_TLS_SERVER, tls.versions, tls.alpn)
            _load_chain(context, chain, key)
            if tls.mutual:
                context.verify_mode = ssl.CERT_REQUIRED
                _load_roots(context, roots)
            return context

        return self._cached(("server", tls, chain, key, roots), make)

    def client(self, tls: ClientTls, alpn: tuple[str, ...]) -> ssl.SSLContext:
        """For dialling. Raises CredentialsError, and OSError for files that cannot be read."""
        if tls.identity or tls.peer_uris:
            return self._mesh_client(tls, alpn)
        files = tuple(_stamp(path) for path in (tls.ca_file, tls.cert_file, tls.key_file))

        def make() -> ssl.SSLContext:
            context = _context(ssl.PROTOCOL_TLS_CLIENT, tls.versions, alpn)
            context.check_hostname = bool(tls.ca_file and tls.server_name)
            if tls.ca_file:
                context.load_verify_locations(cafile=tls.ca_file)
            else:
                context.verify_mode = ssl.CERT_NONE
            if tls.cert_file:
                context.load_cert_chain(tls.cert_file, tls.key_file or None)
            return context

        return self._cached(("files", tls, alpn, files), make)

    def _mesh_client(self, tls: ClientTls, alpn: tuple[str, ...]) -> ssl.SSLContext:
        identity = self._identity(tls.identity) if tls.identity else None
        roots = self._roots

        def make() -> ssl.SSLContext:
            context = _context(ssl.PROTOCOL_TLS_CLIENT, tls.versions, alpn)
            context.check_hostname = False  # names in the mesh are URIs, compared after it
            _load_roots(context, roots)
            if identity:
                _load_chain(context, identity.certificates_pem, identity.private_key_pem)
            return context

        shown = (identity.certificates_pem, identity.private_key_pem) if identity else ()
        return self._cached(("client", tls.versions, alpn, shown, roots), make)

    def _identity(self, name: str) -> Identity:
        identity = self._config.identities.get(name)
        if identity is None:
            raise CredentialsError(f"no certificate of {name!r}")
        return identity

    def _cached(self, key: Hashable, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = self._kept.get(key)
        if context is None:
            try:
                context = make()
            except ssl.SSLError as error:
                raise CredentialsError(str(error)) from None
            self._kept[key] = context
            if len(self._kept) > CONTEXTS_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return context


def peer_of(session: TlsSession) -> Peer | None:
    """Who the other side is by the certificate it showed; None without one, or without one URI."""
    certificate = session.getpeercert()
    if not certificate:
        return None
    names = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    uris = [value for kind, value in names if kind == "URI"]
    serial = bytes.fromhex(str(certificate["serialNumber"])).hex(":")
    return parse_peer(uris[0], serial) if len(uris) == 1 else None


def _context(role: int, versions: TlsVersions, alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(role)
    for name in (versions.min, versions.max):
        if name not in _VERSIONS:
            raise CredentialsError(f"TLS version {name!r} is none of {sorted(_VERSIONS)}")
    context.minimum_version = _VERSIONS[versions.min] or ssl.TLSVersion.TLSv1_2
    if maximum := _VERSIONS[versions.max]:
        context.maximum_version = maximum
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if role == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    if versions.ciphers:
        context.set_ciphers(":".join(versions.ciphers))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _load_roots(context: ssl.SSLContext, roots: str) -> None:
    # Without any root nobody is believed, which is what an empty list must mean.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a root may be signed by another one
    if roots:
        context.load_verify_locations(cadata=roots)


def _load_chain(context: ssl.SSLContext, certificates: str, key: str) -> None:
    with _file_of(certificates.strip() + "\n" + key) as path:
        # A password stops OpenSSL from asking the terminal for one.
        context.load_cert_chain(path, password="")


@contextmanager
def _file_of(secret: str) -> Iterator[str]:
    """A path that a secret can be read at for a moment: OpenSSL takes a chain from files only."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("chain"), "w", encoding="ascii") as file:
            file.write(secret)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with NamedTemporaryFile("w", encoding="ascii") as file:  # 0600
            file.write(secret)
            file.flush()
            yield file.name


def _stamp(path: str) -> Hashable:
    """What changes when a file does."""
    if not path:
        return None
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
