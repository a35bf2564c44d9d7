"""Whom a certificate's SPIFFE URI names.

Only services count: an agent or a gateway has a URI too, but none of them is the source of an
intention. Source: SPIFFE ID standard; Consul, service identities.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from proxy.connection import Peer

URI_BYTES_MAX: Final = 2048  # the SPIFFE standard: validators must refuse what is longer
DEFAULT: Final = "default"
"""The only namespace and partition that there is here; names of others are of strangers."""

_WHOLE: Final = re.compile(r"[!-~]+")
"""Nothing that `urlsplit` would drop without a word, or that ends a line of a header."""
_SERVICE: Final = re.compile(
    r"(?:/ap/(?P<partition>[^/]+))?/ns/(?P<namespace>[^/]+)/dc/(?P<datacenter>[^/]+)"
    r"/svc/(?P<service>[^/]+)"
)
_GATEWAY: Final = re.compile(r"(?:/ap/[^/]+)?/gateway/mesh/dc/(?P<datacenter>[^/]+)")
_AGENT: Final = re.compile(r"(?:/ap/[^/]+)?/agent/client/dc/(?P<datacenter>[^/]+)/id/[^/]+")
_SERVER: Final = re.compile(r"/agent/server/dc/(?P<datacenter>[^/]+)")


def parse_peer(uri: str, serial: str) -> Peer:
    """The peer that showed ``uri``; ``service`` is empty for what is no service of this mesh.

    Never raises: a URI that cannot be read gives a peer of no trust domain, whom nobody believes.
    """
    nobody = Peer(uri=uri, serial=serial)
    if len(uri) > URI_BYTES_MAX or not _WHOLE.fullmatch(uri):
        return nobody
    try:
        parts = urlsplit(uri)
    except ValueError:
        return nobody
    if parts.scheme != "spiffe" or any(mark in uri for mark in "?#@\\") or ":" in parts.netloc:
        return nobody
    trust_domain = parts.netloc.lower()
    try:
        datacenter, service = _names(parts.path)
    except UnicodeDecodeError:
        return nobody
    return Peer(
        uri=uri, trust_domain=trust_domain, datacenter=datacenter, service=service, serial=serial
    )


def _names(path: str) -> tuple[str, str]:
    """The datacenter and the service of a path, each empty where there is none."""
    if found := _SERVICE.fullmatch(path):
        partition = _decoded(found["partition"] or DEFAULT)
        is_ours = partition == DEFAULT and _decoded(found["namespace"]) == DEFAULT
        return _decoded(found["datacenter"]), _decoded(found["service"]) if is_ours else ""
    for form in (_GATEWAY, _AGENT, _SERVER):
        if found := form.fullmatch(path):
            return _decoded(found["datacenter"]), ""
    return "", ""


def _decoded(segment: str) -> str:
    return unquote(segment, errors="strict")
