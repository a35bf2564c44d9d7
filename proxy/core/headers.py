"""Changes to headers on their way through a proxy: what routes ask for, and what a hop adds.

Host, framing and hop-by-hop headers are the codecs' and cannot be edited. X-Forwarded-For is
extended by the first proxy that a request meets; one that gets it from a proxy of the mesh passes
it on, so that a request has one entry for each client, not for each hop.

Source: Consul, service-router HTTPHeaderModifiers and mesh.HTTP.SanitizeXForwardedClientCert;
Envoy's x-forwarded-for (use_remote_address), x-forwarded-proto, x-request-id and
x-forwarded-client-cert.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from proxy.api import HeaderEdits
from proxy.core.http1_head import HOP_BY_HOP, is_field_value, is_token
from proxy.core.memo import Memo
from proxy.http import Headers

FORWARDED_FOR: Final = b"x-forwarded-for"
FORWARDED_PROTO: Final = b"x-forwarded-proto"
REQUEST_ID: Final = b"x-request-id"
CLIENT_CERT: Final = b"x-forwarded-client-cert"

_FIXED: Final = HOP_BY_HOP | {b"host", b"content-length", b":authority", b":path", b":method"}
_DRAWN: Final = 1 << 48  # bits of each draw: a float in [0, 1) has 52 at least
NO_EDITS: Final = HeaderEdits()


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection adds to each of its requests.

    ``address``: of the client, empty for a Unix socket. ``is_edge``: no proxy of the mesh comes
    before this one. ``client_cert``: the element for x-forwarded-client-cert, empty for none;
    ``drops_client_cert``: what came of it is not believed.
    """

    address: bytes
    scheme: bytes
    is_edge: bool
    client_cert: bytes = b""
    drops_client_cert: bool = False


def forwarded(headers: Headers, hop: Hop, random: Callable[[], float]) -> Headers:
    """Add what a hop adds; ``random`` makes the id of a request that has none."""
    addresses, certificates = b"", b""
    has_proto = has_id = False
    for name, value in headers:
        # Told by their lengths first: few headers are as long as these.
        length = len(name)
        if length == 12:
            has_id = has_id or name.lower() == REQUEST_ID
        elif length == 15:
            if name.lower() == FORWARDED_FOR:
                addresses = addresses + b"," + value if addresses else value
        elif length == 17:
            has_proto = has_proto or name.lower() == FORWARDED_PROTO
        elif length == 23 and name.lower() == CLIENT_CERT:
            certificates = certificates + b"," + value if certificates else value
    if (addresses and hop.is_edge) or (certificates and (hop.client_cert or hop.drops_client_cert)):
        headers = _without_lists(headers, hop, addresses=addresses, certificates=certificates)
    if hop.address and not addresses:
        headers.append((FORWARDED_FOR, hop.address))
    if not has_proto:
        headers.append((FORWARDED_PROTO, hop.scheme))
    if not has_id:
        headers.append((REQUEST_ID, request_id(random)))
    if hop.client_cert and (not certificates or hop.drops_client_cert):
        headers.append((CLIENT_CERT, hop.client_cert))
    return headers


def _without_lists(headers: Headers, hop: Hop, *, addresses: bytes, certificates: bytes) -> Headers:
    """Write the lists that came anew where they must be extended or dropped."""
    if hop.is_edge and hop.address:
        addresses = addresses + b"," + hop.address if addresses else b""
    if hop.drops_client_cert:
        certificates = b""
    elif certificates and hop.client_cert:
        certificates += b"," + hop.client_cert
    lists = {FORWARDED_FOR: addresses, CLIENT_CERT: certificates}
    kept: Headers = []
    for field in headers:
        lower = field[0].lower()
        if lower not in lists:
            kept.append(field)
        elif value := lists[lower]:
            kept.append((field[0], value))
            lists[lower] = b""
    return kept


def request_id(random: Callable[[], float]) -> bytes:
    """A random UUID (RFC 9562, version 4)."""
    high, middle, low = int(random() * _DRAWN), int(random() * _DRAWN), int(random() * _DRAWN)
    return b"%08x-%04x-4%03x-%04x-%08x%04x" % (
        high >> 16,
        high & 0xFFFF,
        middle >> 36,
        middle & 0x3FFF | 0x8000,
        low >> 16,
        low & 0xFFFF,
    )


def edited(headers: Headers, edits: HeaderEdits) -> Headers:
    """Remove, then set, then add; the list that was given stays as it was."""
    if edits == NO_EDITS:
        return headers
    removed, replaced, added = _prepared(edits)
    if removed or replaced:
        gone = removed.union(name.lower() for name, _ in replaced)
        headers = [field for field in headers if field[0].lower() not in gone]
        return headers + replaced + added
    return headers + added if added else headers


def _prepare(edits: HeaderEdits) -> tuple[frozenset[bytes], Headers, Headers]:
    removed = frozenset(name.lower().encode() for name in edits.remove) - _FIXED
    return removed, _encoded(edits.set), _encoded(edits.add)


def _encoded(fields: tuple[tuple[str, str], ...]) -> Headers:
    """What can be sent: a line end in a value would begin another header."""
    encoded = [(name.encode(), value.encode()) for name, value in fields]
    return [
        (name, value)
        for name, value in encoded
        if name.lower() not in _FIXED and is_token(name) and is_field_value(value)
    ]


_prepared = Memo(_prepare)
