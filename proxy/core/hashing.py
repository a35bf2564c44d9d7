"""The same request to the same endpoint: what of it is hashed, and tables from hash to endpoint.

Tables hold all endpoints of a group, usable or not: one that is set aside loses its hashes to the
next ones in the table, and gets them back; no other hash moves. Hashes are stable over processes
and hosts, so that all proxies agree.

Source: Consul, service-resolver LoadBalancer; Envoy's ring hash; Eisenbud et al., "Maglev: A Fast
and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import repeat
from math import ceil, log2
from typing import Final, Protocol

import msgspec
from typing_extensions import override

from proxy.api import Balance, Endpoint, HashPolicy
from proxy.core.backend import weight_of
from proxy.core.request import RequestFacts

HASH_MASK: Final = 2**64 - 1
RING_POINTS_MAX: Final = 131_072
"""Whatever a configuration allows: building this many takes a quarter of a second, and 12 bytes
each; with 1,000 endpoints it is still 131 points for each."""
MAGLEV_SIZES: Final = (2039, 16_381, 65_537)
"""Primes; the paper asks for 100 times the number of endpoints, Envoy's default is the last."""
MAGLEV_SLOTS_EACH: Final = 100


class Hashed(msgspec.Struct, frozen=True):
    """The hash of a request, if any; ``set_cookie``: what to answer so that it stays the same."""

    value: int | None = None
    set_cookie: bytes = b""


NOTHING: Final = Hashed()
Usable = Callable[[int], bool]


def request_hash(
    policies: Sequence[HashPolicy],
    facts: RequestFacts,
    source_ip: str,
    random: Callable[[], float],
) -> Hashed:
    """Hash what the policies name; a terminal one ends it once there is a hash.

    ``random`` makes the value of a cookie where one is to be made.
    """
    if not policies:
        return NOTHING
    value: int | None = None
    set_cookie = b""
    for policy in policies:
        part = _part(policy, facts, source_ip)
        if part is None and policy.cookie and policy.cookie_ttl_s >= 0 and not set_cookie:
            part = f"{stable_hash(repr(random()).encode()):016x}".encode()
            set_cookie = _cookie(policy, part)
        if part is not None:
            turned = 0 if value is None else (value << 1 | value >> 63) & HASH_MASK
            value = turned ^ stable_hash(part)
        if policy.terminal and value is not None:
            break
    return Hashed(value, set_cookie)


def stable_hash(text: bytes) -> int:
    """64 bits, the same everywhere and always."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _part(policy: HashPolicy, facts: RequestFacts, source_ip: str) -> bytes | None:
    if policy.header:
        return facts.header(policy.header.lower().encode())
    if policy.cookie:
        return facts.cookie(policy.cookie.encode())
    if policy.query_param:
        return facts.parameter(policy.query_param.encode())
    return source_ip.encode() if policy.source_ip and source_ip else None


def _cookie(policy: HashPolicy, value: bytes) -> bytes:
    parts = [policy.cookie.encode() + b"=" + value]
    if policy.cookie_ttl_s > 0:
        parts.append(b"Max-Age=%d" % int(policy.cookie_ttl_s))
    if policy.cookie_path:
        parts.append(b"Path=" + policy.cookie_path.encode())
    return b"; ".join([*parts, b"HttpOnly"])


class Table(Protocol):
    """Endpoints by hash; an endpoint is its number in what the table was made of."""

    def find(self, hashed: int, usable: Usable) -> int:
        """The endpoint of a hash; the next one that is usable, of which there is one."""


def make_table(balance: Balance, endpoints: Sequence[Endpoint]) -> Table | None:
    """The table of a policy that hashes; None for the others."""
    weights = [weight_of(endpoint) for endpoint in endpoints]
    ids = [endpoint.id for endpoint in endpoints]
    match balance.policy:
        case "ring_hash":
            return Ring(ids, weights, balance.ring_size_min, balance.ring_size_max)
        case "maglev":
            return Maglev(ids, weights)
        case _:
            return None


class Ring(Table):
    """Each endpoint has points on a circle, by weight; a hash belongs to the next point."""

    __slots__ = ("_owners", "_points")

    def __init__(
        self, ids: Sequence[str], weights: Sequence[int], size_min: int, size_max: int
    ) -> None:
        each = _points_each(sum(weights), size_min, min(size_max, RING_POINTS_MAX))
        points = sorted(
            (stable_hash(f"{name}_{number}".encode()), owner)
            for owner, (name, weight) in enumerate(zip(ids, weights, strict=True))
            for number in range(max(1, int(weight * each)))
        )
        self._points = array("Q", (point for point, _ in points))
        self._owners = array("L", (owner for _, owner in points))

    def __len__(self) -> int:
        return len(self._points)

    @override
    def find(self, hashed: int, usable: Usable) -> int:
        return _walk(self._owners, bisect_left(self._points, hashed) % len(self._owners), usable)


def _points_each(weights: int, size_min: int, size_max: int) -> float:
    """Points for each weight: a power of two, so that it seldom changes when endpoints do."""
    each = 2.0 ** ceil(log2(max(size_min, 1) / weights))
    while each * weights > max(size_max, 1):
        each /= 2.0
    return each


class Maglev(Table):
    """Endpoints take turns, by weight, in filling a table, each in an order of its own."""

    __slots__ = ("_owners",)

    def __init__(self, ids: Sequence[str], weights: Sequence[int]) -> None:
        wanted = len(ids) * MAGLEV_SLOTS_EACH
        size = next((prime for prime in MAGLEV_SIZES if prime >= wanted), MAGLEV_SIZES[-1])
        self._owners = _filled(ids, weights, size)

    def __len__(self) -> int:
        return len(self._owners)

    @override
    def find(self, hashed: int, usable: Usable) -> int:
        return _walk(self._owners, hashed % len(self._owners), usable)


def _filled(ids: Sequence[str], weights: Sequence[int], size: int) -> "array[int]":
    """The table of the paper's algorithm: who owns each slot."""
    empty = len(ids)
    owners = array("L", repeat(empty, size))
    # By name, so that the order of a configuration moves nothing.
    turns = sorted(range(len(ids)), key=lambda owner: ids[owner])
    position = {owner: stable_hash(b"offset " + ids[owner].encode()) % size for owner in turns}
    step = {owner: stable_hash(b"skip " + ids[owner].encode()) % (size - 1) + 1 for owner in turns}
    heaviest = max(weights)
    credit = [0] * len(ids)
    filled = 0
    while True:
        for owner in turns:
            credit[owner] += weights[owner]
            if credit[owner] < heaviest:
                continue
            credit[owner] -= heaviest
            slot = position[owner]
            while owners[slot] != empty:
                slot = (slot + step[owner]) % size
            owners[slot] = owner
            position[owner] = (slot + step[owner]) % size
            filled += 1
            if filled == size:
                return owners


def _walk(owners: "array[int]", start: int, usable: Usable) -> int:
    size = len(owners)
    for distance in range(size):
        owner = owners[(start + distance) % size]
        if usable(owner):
            return owner
    raise AssertionError("one endpoint is usable")
