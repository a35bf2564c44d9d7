"""What ``mesh explain`` answers: one request from a service to another, step by step, as JSON.

Durations are text, percentages 0-100.
"""

import msgspec

from catalog.duration import Duration
from catalog.schema import Omit, Row


class Retries(Row, frozen=True, kw_only=True):
    """When and how often a request is sent again."""

    on: tuple[str, ...] = ()
    status_codes: Omit[tuple[int, ...]] = ()
    count: int = 0
    per_try_timeout: Omit[Duration] = 0


class RouteTaken(Row, frozen=True, kw_only=True):
    """The route that takes the request: a node of the chain, and what it does on the way.

    ``path_sent`` is the path after a rewrite; a timeout of 0 is none, ``timeout_from`` says who
    gave it.
    """

    name: str
    path_sent: Omit[str] = ""
    timeout: Duration = 0
    timeout_from: str = ""
    idle_timeout: Duration = 0
    retries: Omit[Retries | None] = None
    mirror: Omit[str] = ""
    fault: Omit[str] = ""
    rate_limit: Omit[str] = ""


class InstanceSeen(Row, frozen=True, kw_only=True):
    """An instance; ``why`` says why it gets nothing."""

    id: str
    address: str
    usable: bool
    weight: Omit[int] = 0
    why: Omit[str] = ""


class GroupSeen(Row, frozen=True, kw_only=True):
    """The instances of one target; ``in_use``: it is the first that has a usable one."""

    target: str
    in_use: bool
    server_name: Omit[str] = ""
    peer_uris: Omit[tuple[str, ...]] = msgspec.field(default=(), name="PeerURIs")
    instances: tuple[InstanceSeen, ...] = ()


class Verdict(Row, frozen=True, kw_only=True):
    """What the target's intentions say; ``permission`` counts from 1, 0 is none of them."""

    service: str
    allowed: bool
    reason: str
    permission: Omit[int] = 0
    timeout: Omit[Duration] = 0
    timeout_from: Omit[str] = ""


class Share(Row, frozen=True, kw_only=True):
    """A part of the requests, and where it ends."""

    percent: float
    cluster: str
    node: str
    service: str
    datacenter: str
    balance: str
    connect_timeout: Duration
    groups: tuple[GroupSeen, ...] = ()
    verdict: Omit[Verdict | None] = None


class CertificateSeen(Row, frozen=True, kw_only=True):
    """What the source shows. ``local``: its proxy is on this agent, which knows the serial."""

    uri: str = msgspec.field(name="URI")
    local: bool = False
    serial: Omit[str] = ""
    valid_before: Omit[str] = ""


class Explanation(Row, frozen=True, kw_only=True):
    """The whole. Without a route nothing takes the request."""

    source: str
    destination: str
    datacenter: str
    index: int = 0
    protocol: str = ""
    listener: Omit[str] = ""
    declared: bool = True
    route: Omit[RouteTaken | None] = None
    shares: tuple[Share, ...] = ()
    certificate: Omit[CertificateSeen | None] = None
    notes: Omit[tuple[str, ...]] = ()
