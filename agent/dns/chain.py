"""Who answers a query: steps in order, the first that has an answer ends the chain.

``CHAIN`` is the whole of it. Each step is a small function that either knows its kind of lookup or
passes. The names of services that are host names are resolved by running the chain again, with
less depth, so that aliases which point at each other end.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from agent.dns import answer, names, wire
from agent.dns.addresses import subnet_text
from agent.dns.answer import Question, Reply, Share
from agent.dns.directory import Directory, Found, QueryAnswer, Subscribe, UnknownDatacenter
from agent.dns.names import (
    AddressLookup,
    Asked,
    NodeLookup,
    NoSuchName,
    Outside,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
)
from agent.dns.packet import Rng, Transport
from agent.dns.recursor import Recursor
from agent.dns.settings import DnsSettings
from agent.dns.wire import Alias, Name, Query, Record
from catalog.duration import SECOND, parse_duration
from catalog.rows.check import CheckServiceNode

ALIAS_DEPTH_MAX: Final = 3  # host names that stand for host names; as Consul
HOSTS_RESOLVED_MAX: Final = 16  # distinct host names behind one SRV answer; each is a lookup
_NODE_KINDS: Final = frozenset({wire.A, wire.AAAA, wire.ANY, wire.TXT})


class Counts:
    """What the front door has done since it started, for telemetry to read."""

    __slots__ = ("by_kind", "cached", "dropped", "failed", "malformed", "relayed")

    def __init__(self) -> None:
        self.by_kind: dict[int, int] = {}
        self.cached = 0
        self.dropped = 0
        self.failed = 0
        self.malformed = 0
        self.relayed = 0


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One query on its way through the chain; ``packet`` is what a recursor is sent."""

    query: Query
    packet: bytes
    asked: Asked
    transport: Transport
    source_address: str
    settings: DnsSettings
    depth: int = ALIAS_DEPTH_MAX


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What the steps work with; ``serial`` gives the SOA serial, the time in Unix seconds."""

    directory: Directory
    recursor: Recursor
    rng: Rng
    serial: Callable[[], int]
    counts: Counts


class Relayed(msgspec.Struct, frozen=True):
    """An upstream's own bytes, id included."""

    packet: bytes


Outcome: TypeAlias = Reply | Relayed
Step: TypeAlias = Callable[[Ask, Door], Awaitable[Outcome | None]]
_Watches: TypeAlias = tuple[Subscribe, ...] | None


async def run(ask: Ask, door: Door) -> Outcome:
    """The first step's answer. Raises DirectoryError where the catalog cannot answer."""
    for step in CHAIN:
        try:
            outcome = await step(ask, door)
        except UnknownDatacenter:
            return _negative(ask, door, wire.NXDOMAIN, watches=None)
        if outcome is not None:
            return outcome
    raise AssertionError(ask.asked)  # the last steps take everything


async def metrics(ask: Ask, door: Door) -> None:
    """Count a client's query by type; types without a name of ours count as 0."""
    if ask.depth < ALIAS_DEPTH_MAX:
        return
    kind = ask.query.kind if ask.query.kind in wire.TYPE_NAMES else 0
    door.counts.by_kind[kind] = door.counts.by_kind.get(kind, 0) + 1


async def limits(ask: Ask, door: Door) -> Reply | None:
    """Refuse EDNS versions that are not known (RFC 6891 section 6.1.3)."""
    edns = ask.query.edns
    if edns is None or edns.version == 0:
        return None
    return Reply(rcode=wire.BADVERS, authoritative=False, watches=None)


async def opcode_and_class(ask: Ask, door: Door) -> Reply | None:
    """Only QUERY and class IN are served: NOTIFY and UPDATE get NOTIMP, CH gets REFUSED."""
    if ask.query.opcode != 0:
        return Reply(rcode=wire.NOTIMP, authoritative=False, watches=None)
    if ask.query.klass != wire.CLASS_IN:
        return _refused()
    return None


async def reverse(ask: Ask, door: Door) -> Reply | None:
    """The name behind an address; unknown ones go to the recursors, without them NXDOMAIN."""
    if not isinstance(lookup := ask.asked.lookup, ReverseLookup):
        return None
    found = await door.directory.by_address(lookup.address)
    owner = found.value
    watches = _watches(found)
    if owner is None:
        if ask.settings.recursors:
            return None
        return Reply(rcode=wire.NXDOMAIN, watches=watches)
    of = names.node_name if owner.kind == "node" else names.service_name
    target = of(owner.name, owner.datacenter, ask.asked.domain)
    if target is None or ask.query.kind not in {wire.PTR, wire.ANY}:
        return _negative(ask, door, wire.NOERROR, watches=watches)
    record = Record(ask.query.name, 0, Alias(wire.PTR, target))
    return Reply(shares=(Share(record),), watches=watches)


async def zone(ask: Ask, door: Door) -> Reply | None:
    """SOA and NS of the domain, asked at any name in it; zone transfers are not implemented."""
    kind = ask.query.kind
    if isinstance(ask.asked.lookup, Outside | ReverseLookup):
        return None
    if kind in {wire.AXFR, wire.IXFR}:
        return Reply(rcode=wire.NOTIMP, watches=None)
    if kind not in {wire.SOA, wire.NS}:
        return None
    datacenter = ask.settings.datacenter.lower()
    found = await door.directory.servers(datacenter)
    servers = list(answer.healthy(found.value, only_passing=False))
    door.rng.shuffle(servers)
    records, glue = answer.servers_of(_question(ask, datacenter), servers)
    # Not kept: the serial is the time, and the choice of servers is made here.
    if kind == wire.NS:
        return Reply(shares=tuple(map(Share, records)), glue=glue, watches=None)
    start = answer.soa(ask.asked.domain, ask.settings, door.serial())
    return Reply(shares=(Share(start),), authority=records, glue=glue, watches=None)


async def node(ask: Ask, door: Door) -> Reply | None:
    """A node's addresses and meta; other types are empty without asking whether it exists."""
    if not isinstance(lookup := ask.asked.lookup, NodeLookup):
        return None
    if ask.query.kind not in _NODE_KINDS:
        return Reply()
    found = await door.directory.node(lookup.name, lookup.datacenter)
    watches = _watches(found)
    if found.value is None:
        return _negative(ask, door, wire.NXDOMAIN, watches=watches)
    question = _question(ask, lookup.datacenter)
    host = answer.host_of_node(question, found.value) if ask.query.kind != wire.TXT else None
    chains, watches = await _resolve_all(ask, door, () if host is None else (host,), watches)
    reply = answer.node_reply(question, found.value, lambda name: chains.get(name, ()))
    return msgspec.structs.replace(reply, watches=watches)


async def service(ask: Ask, door: Door) -> Reply | None:
    """Healthy instances of a service, connect-capable endpoints or ingress gateways."""
    if not isinstance(lookup := ask.asked.lookup, ServiceLookup):
        return None
    found = await door.directory.service_nodes(
        lookup.name, lookup.tags, lookup.kind, lookup.datacenter
    )
    nodes = answer.healthy(found.value, only_passing=ask.settings.only_passing)
    ttl_s = ask.settings.service_ttl(lookup.name)
    question = _question(ask, lookup.datacenter)
    return await _instances(ask, door, question, nodes, ttl_s, _watches(found))


async def query(ask: Ask, door: Door) -> Reply | None:
    """A prepared query, whose own TTL goes before its service's."""
    if not isinstance(lookup := ask.asked.lookup, QueryLookup):
        return None
    found = await door.directory.query(lookup.name, lookup.datacenter, _source(ask), 0)
    outcome = found.value
    if outcome is None:
        return _negative(ask, door, wire.NXDOMAIN, watches=_watches(found))
    reply = await _instances(
        ask,
        door,
        _question(ask, outcome.datacenter.lower()),
        outcome.nodes,
        _query_ttl_s(outcome, ask.settings),
        _watches(found),
    )
    shuffle = reply.shuffle and not outcome.ordered
    return msgspec.structs.replace(reply, shuffle=shuffle, subnet_scoped=True)


async def address(ask: Ask, door: Door) -> Reply | None:
    """An address spelled in its name."""
    if not isinstance(lookup := ask.asked.lookup, AddressLookup):
        return None
    reply = answer.address_reply(_question(ask, ""), lookup.packed)
    return reply if reply.shares else _negative(ask, door, wire.NOERROR, watches=())


async def recursor(ask: Ask, door: Door) -> Outcome | None:
    """Names that are not ours: relayed upstream, or REFUSED."""
    if not isinstance(ask.asked.lookup, Outside | ReverseLookup):
        return None
    if not ask.settings.recursors:
        return _refused()
    door.counts.relayed += 1
    packet = await door.recursor.relay(ask.packet, ask.transport, ask.settings)
    if packet is not None:
        return Relayed(packet)
    return Reply(rcode=wire.SERVFAIL, authoritative=False, recursion_available=True, watches=None)


async def no_such_name(ask: Ask, door: Door) -> Reply | None:
    """A name under the domain with no known form, the apex included."""
    assert isinstance(ask.asked.lookup, NoSuchName)
    return _negative(ask, door, wire.NXDOMAIN, watches=())


CHAIN: Final[tuple[Step, ...]] = (
    metrics,
    limits,
    opcode_and_class,
    reverse,
    zone,
    node,
    service,
    query,
    address,
    recursor,
    no_such_name,
)


async def _instances(
    ask: Ask,
    door: Door,
    question: Question,
    nodes: tuple[CheckServiceNode, ...],
    ttl_s: int,
    watches: _Watches,
) -> Reply:
    if not nodes:
        return _negative(ask, door, wire.NXDOMAIN, watches=watches)
    hosts = answer.hosts_of(question, nodes)
    if len(hosts) > 1 or (hosts and question.kind != wire.SRV):
        # Only one alias can answer: another is chosen for each query, so none is kept.
        mixed = list(nodes)
        door.rng.shuffle(mixed)
        nodes = tuple(mixed)
        hosts = answer.hosts_of(question, nodes)
        watches = None
    chains, watches = await _resolve_all(ask, door, hosts, watches)
    reply = answer.service_reply(question, nodes, ttl_s, lambda name: chains.get(name, ()))
    if not reply.shares:
        return _negative(ask, door, wire.NOERROR, watches=watches)
    return msgspec.structs.replace(reply, watches=watches)


async def _resolve_all(
    ask: Ask, door: Door, hosts: Iterable[Name], watches: _Watches
) -> tuple[dict[Name, tuple[Record, ...]], _Watches]:
    """The records behind host names, and what an answer made of them depends on."""
    chains: dict[Name, tuple[Record, ...]] = {}
    for host in tuple(hosts)[:HOSTS_RESOLVED_MAX]:
        chains[host], more = await _resolve(ask, door, host)
        watches = None if watches is None or more is None else watches + more
    return chains, watches


async def _resolve(ask: Ask, door: Door, host: Name) -> tuple[tuple[Record, ...], _Watches]:
    is_family = ask.query.kind in {wire.A, wire.AAAA}
    asked = names.parse(host, wire.ANY, ask.settings)
    if isinstance(asked.lookup, Outside | ReverseLookup):
        if not ask.settings.recursors:
            return (), ()
        kind = ask.query.kind if is_family else wire.A
        return await door.recursor.resolve(host, kind, ask.settings), None
    if ask.depth == 0:
        return (), ()
    kind = ask.query.kind if is_family else wire.ANY
    inner = msgspec.structs.replace(
        ask,
        query=msgspec.structs.replace(ask.query, name=host, kind=kind),
        asked=asked,
        depth=ask.depth - 1,
    )
    outcome = await run(inner, door)
    assert isinstance(outcome, Reply)  # only names outside the domain are relayed
    return tuple(share.answer for share in outcome.shares), outcome.watches


def _question(ask: Ask, datacenter: str) -> Question:
    return Question(
        name=ask.query.name,
        kind=ask.query.kind,
        has_edns=ask.query.edns is not None,
        domain=ask.asked.domain,
        datacenter=datacenter,
        settings=ask.settings,
    )


def _negative(ask: Ask, door: Door, rcode: int, *, watches: _Watches) -> Reply:
    start = answer.soa(ask.asked.domain, ask.settings, door.serial())
    return Reply(rcode=rcode, authority=(start,), watches=watches)


def _refused() -> Reply:
    return Reply(rcode=wire.REFUSED, authoritative=False, recursion_available=False, watches=None)


def _watches(found: Found[Any]) -> _Watches:
    return None if found.on_change is None else (found.on_change,)


def _source(ask: Ask) -> str:
    """The address to measure nearness from: the client's subnet if it sent one."""
    subnet = ask.query.edns.subnet if ask.query.edns is not None else None
    if subnet is None or subnet.source_bits == 0:
        return ask.source_address
    return subnet_text(subnet)


def _query_ttl_s(outcome: QueryAnswer, settings: DnsSettings) -> int:
    try:
        own_s = parse_duration(outcome.ttl) // SECOND if outcome.ttl else None
    except ValueError:
        own_s = None  # refused when stored; an old row must still be answered
    ttl_s = settings.service_ttl(outcome.service) if own_s is None else own_s
    return min(max(ttl_s, 0), answer.TTL_S_MAX)
