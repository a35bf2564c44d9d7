"""What all requests of one accepted connection have in common: where they come from."""

from typing import Final

from proxy.api import FilterChain
from proxy.connection import Facts
from proxy.core.headers import Hop, forwarded
from proxy.deadlines import Deadlines
from proxy.exchange_decision import address_of
from proxy.http import Headers
from proxy.serving import Record, Serving

_PARTING: Final = frozenset(',;="')


class Origin:
    """One accepted connection, as its exchanges see it."""

    __slots__ = ("_chain", "_hop", "deadlines", "facts", "serving")

    def __init__(self, serving: Serving, facts: Facts, deadlines: Deadlines) -> None:
        self.serving = serving
        self.facts = facts
        self.deadlines = deadlines
        self._chain: FilterChain | None = None
        self._hop: Hop

    def record(self) -> Record:
        """Begin the record of a request."""
        chain = self.serving.chain
        peer = self.facts.peer
        return Record(
            started_s=self.serving.now_s(),
            facts=self.facts,
            source=chain.source or (peer.service if peer is not None else ""),
            destination=chain.destination,
            protocol=chain.protocol,
        )

    def forwarded(self, headers: Headers) -> Headers:
        """Add what this hop adds to the headers of a request."""
        chain = self.serving.chain
        if chain is not self._chain:  # it has changed, or this is the first request
            self._chain = chain
            self._hop = _hop(self.serving, self.facts)
        return forwarded(headers, self._hop, self.serving.random)


def _hop(serving: Serving, facts: Facts) -> Hop:
    chain, direction = serving.chain, serving.listener.direction
    return Hop(
        address=address_of(facts.remote).encode(),
        scheme=b"https" if chain.tls is not None else b"http",
        is_edge=direction in ("outbound", "gateway"),
        client_cert=_client_cert(serving, facts) if chain.http.forwarded_client_cert else b"",
        # Where no peer is told of, what a client says of one is made up.
        drops_client_cert=chain.http.sanitize_client_cert or not chain.http.forwarded_client_cert,
    )


def _client_cert(serving: Serving, facts: Facts) -> bytes:
    """Our identity and the peer's, as an element of x-forwarded-client-cert."""
    tls = serving.chain.tls
    if facts.peer is None or tls is None:
        return b""
    own = serving.proxy.identities.get(tls.identity)
    by = f"By={_quoted(own.uri)};" if own is not None else ""
    return f"{by}URI={_quoted(facts.peer.uri)}".encode()


def _quoted(uri: str) -> str:
    """A URI within an element: as Envoy, in quotes if it has what parts elements and fields."""
    if not _PARTING.intersection(uri):
        return uri
    return '"' + uri.replace("\\", "\\\\").replace('"', '\\"') + '"'
