"""What a question's name asks for: names in, ``Lookup`` values out, nothing else.

Labels are read from the right, after the domain; the first keyword parts the name in what is
asked for (left) and where (right, at most a datacenter). Source: Consul's DNS interface,
https://developer.hashicorp.com/consul/docs/services/discovery/dns-static-lookups.
Names match without regard to case; values here are lower case.
"""

import ipaddress
import re
from typing import Final, TypeAlias

import msgspec

from agent.dns.directory import ServiceKind
from agent.dns.settings import DnsSettings
from agent.dns.wire import LABEL_BYTES_MAX, SRV, Name, fits

_KEYWORDS: Final = frozenset({"service", "connect", "ingress", "node", "query", "addr"})
_SERVER_NODE: Final = re.compile(r"[A-Za-z0-9-]+")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_HEX: Final = re.compile(r"[0-9a-f]{8}|[0-9a-f]{32}")


class NodeLookup(msgspec.Struct, frozen=True):
    """A node's address; the name may have dots."""

    name: str
    datacenter: str


class ServiceLookup(msgspec.Struct, frozen=True):
    """Instances of a service with every tag."""

    name: str
    tags: tuple[str, ...]
    kind: ServiceKind
    datacenter: str


class QueryLookup(msgspec.Struct, frozen=True):
    """A prepared query by name or id."""

    name: str
    datacenter: str


class AddressLookup(msgspec.Struct, frozen=True):
    """An address written in its own name: 4 or 16 bytes."""

    packed: bytes


class ReverseLookup(msgspec.Struct, frozen=True):
    """Who has an address (RFC 5952 text)."""

    address: str


class NoSuchName(msgspec.Struct, frozen=True):
    """A name under the domain that has none of the forms; the apex too."""


class Outside(msgspec.Struct, frozen=True):
    """A name outside the domain: for the recursors."""


Lookup: TypeAlias = (
    NodeLookup | ServiceLookup | QueryLookup | AddressLookup | ReverseLookup | NoSuchName | Outside
)


class Asked(msgspec.Struct, frozen=True):
    """A lookup, and the domain that generated names of its answer end in."""

    lookup: Lookup
    domain: Name


def parse(name: Name, kind: int, settings: DnsSettings) -> Asked:
    """Read a question's name; ``kind`` is its type, as ``_web._tcp.consul`` is for SRV only."""
    lowered = tuple(label.lower() for label in name)
    domain = name_of(settings.domain)
    domains = [domain, name_of(settings.alt_domain)] if settings.alt_domain else [domain]
    for candidate in sorted(domains, key=len, reverse=True):
        if lowered[len(lowered) - len(candidate) :] == candidate and len(lowered) >= len(candidate):
            labels = [_text(label) for label in lowered[: len(lowered) - len(candidate)]]
            return Asked(_parse_labels(labels, kind, settings.datacenter.lower()), candidate)
    address = _reverse_address(lowered)
    return Asked(Outside() if address is None else ReverseLookup(address), domain)


def _parse_labels(labels: list[str], kind: int, own_datacenter: str) -> Lookup:
    for at in range(len(labels) - 1, -1, -1):
        if labels[at] in _KEYWORDS:
            keyword, left, right = labels[at], labels[:at], labels[at + 1 :]
            break
        if kind == SRV and labels[at].startswith("_"):
            keyword, left, right = "service", labels[: at + 1], labels[at + 1 :]
            break
    else:
        return NoSuchName()
    if len(right) == 2 and right[1] == "dc":
        right = right[:1]  # the explicit form of later releases: <name>.service.<dc>.dc
    if not left or len(right) > 1:
        return NoSuchName()
    datacenter = right[0] if right else own_datacenter
    match keyword:
        case "node":
            return NodeLookup(".".join(left), datacenter)
        case "query":
            return QueryLookup(_query_name(left), datacenter)
        case "connect":
            return ServiceLookup(left[-1], (), "connect", datacenter)
        case "ingress":
            return ServiceLookup(left[-1], (), "ingress", datacenter)
        case "addr":
            return _address_lookup(left)
        case _:
            return _service_lookup(left, datacenter)


def _service_lookup(left: list[str], datacenter: str) -> ServiceLookup:
    if len(left) == 2 and left[0].startswith("_") and left[1].startswith("_"):
        name, tag = left[0][1:], left[1][1:]
        tag = "" if tag == "tcp" else tag
    else:
        name, tag = left[-1], ".".join(left[:-1])
    return ServiceLookup(name, (tag,) if tag else (), "service", datacenter)


def _query_name(left: list[str]) -> str:
    """A query's name, or its RFC 2782 form of later releases: ``_name._tcp``."""
    if len(left) == 2 and left[0].startswith("_") and left[1] == "_tcp":
        return left[0][1:]
    return ".".join(left)


def _address_lookup(left: list[str]) -> Lookup:
    if len(left) != 1 or not _HEX.fullmatch(left[0]):
        return NoSuchName()
    return AddressLookup(bytes.fromhex(left[0]))


def _reverse_address(lowered: Name) -> str | None:
    *labels, family, root = lowered if len(lowered) >= 2 else (b"", b"")
    if root != b"arpa":
        return None
    parts = [_text(label) for label in reversed(labels)]
    if family == b"in-addr" and len(parts) == 4:
        text = ".".join(parts)
    elif family == b"ip6" and len(parts) == 32 and all(len(part) == 1 for part in parts):
        digits = "".join(parts)
        text = ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    else:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _text(label: bytes) -> str:
    """A label as text; a dot inside it is escaped, so that it never parts a name."""
    return label.decode("utf-8", "surrogateescape").replace(".", "\\.")


def name_of(text: str) -> Name:
    """The labels of a configured or stored name, lower case; a final dot is dropped."""
    return tuple(label.encode() for label in text.lower().strip(".").split(".") if label)


def host_name(text: str) -> Name | None:
    """The labels of a host name, case kept; None for anything that is no host name (a URL)."""
    name = tuple(label.encode() for label in text.rstrip(".").split("."))
    return name if _HOST.fullmatch(text) and fits(name) else None


def node_name(node: str, datacenter: str, domain: Name) -> Name | None:
    """``<node>.node.<dc>.<domain>``; None if a label does not fit in DNS."""
    labels = tuple(label.encode("utf-8", "surrogateescape") for label in node.split("."))
    name = (*labels, b"node", datacenter.encode(), *domain)
    return name if fits(name) else None


def service_name(service: str, datacenter: str, domain: Name) -> Name | None:
    """``<service>.service.<dc>.<domain>``; None if a label does not fit in DNS."""
    labels = tuple(label.encode("utf-8", "surrogateescape") for label in service.split("."))
    name = (*labels, b"service", datacenter.encode(), *domain)
    return name if fits(name) else None


def address_name(packed: bytes, datacenter: str, domain: Name) -> Name:
    """``<hex>.addr.<dc>.<domain>``: resolves to the address by itself."""
    return (packed.hex().encode(), b"addr", datacenter.encode(), *domain)


def is_server_name(node: str) -> bool:
    """Whether a server's node name may stand in an NS record: letters, digits and hyphens."""
    return len(node) <= LABEL_BYTES_MAX and _SERVER_NODE.fullmatch(node) is not None
