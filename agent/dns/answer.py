"""From rows to records: which instances answer, under which names, with what beside them.

Pure: rows and settings in, a ``Reply`` out. A reply is a list of *shares*, one an instance: an
answer and the additional records that go and stay with it, so that ``packet`` can shuffle and cut
whole shares. Source: surface facts of Consul's DNS interface; RFC 2782 for SRV, RFC 2308 for SOA
in negative answers, RFC 1464 for TXT of node meta.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from agent.dns import wire
from agent.dns.addresses import address_bytes
from agent.dns.directory import Subscribe
from agent.dns.names import (
    address_name,
    host_name,
    is_server_name,
    node_name,
)
from agent.dns.settings import DnsSettings
from agent.dns.wire import Address, Alias, Authority, Name, Record, Service, Text
from catalog.rows.check import CRITICAL, PASSING, WARNING, CheckServiceNode
from catalog.rows.node import Node

NAME_SERVERS_MAX: Final = 3  # NS records of a reply, as Consul
CHAIN_RECORDS_MAX: Final = 5  # extra records of a CNAME chain for clients without EDNS
TTL_S_MAX: Final = 2**31 - 1  # RFC 2181 section 8
_META_PLAIN_PREFIX: Final = "rfc1035-"

_A_KINDS: Final = frozenset({wire.A, wire.ANY, wire.TXT})  # TXT of a service: as Consul
_AAAA_KINDS: Final = frozenset({wire.AAAA, wire.ANY, wire.TXT})


class Share(msgspec.Struct, frozen=True):
    """One instance's part of a reply; ``notes`` (TXT) are the first to go when room is short."""

    answer: Record
    glue: tuple[Record, ...] = ()
    notes: tuple[Record, ...] = ()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What to say, before it is laid out for a client.

    ``shuffle`` lets the shares be put in any order. ``answer_count_max`` 0 means no limit.
    ``watches`` tell when a kept answer is out of date; None forbids keeping it.
    ``subnet_scoped`` says that the answer may depend on the client's subnet.
    """

    rcode: int = wire.NOERROR
    authoritative: bool = True
    recursion_available: bool | None = None
    shares: tuple[Share, ...] = ()
    authority: tuple[Record, ...] = ()
    glue: tuple[Record, ...] = ()
    notes: tuple[Record, ...] = ()
    shuffle: bool = False
    answer_count_max: int = 0
    subnet_scoped: bool = False
    watches: tuple[Subscribe, ...] | None = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is made for; ``domain`` ends generated names, ``datacenter`` is in them."""

    name: Name
    kind: int
    has_edns: bool
    domain: Name
    datacenter: str
    settings: DnsSettings

    @property
    def is_remote(self) -> bool:
        """Whether the rows are another datacenter's, so that WAN addresses may apply."""
        return self.datacenter != self.settings.datacenter.lower()


Chase: TypeAlias = Callable[[Name], tuple[Record, ...]]
"""The records of a host name outside the rows, found before: ``answer`` itself asks nobody."""


def healthy(
    nodes: Iterable[CheckServiceNode], *, only_passing: bool
) -> tuple[CheckServiceNode, ...]:
    """Instances without a critical check; with ``only_passing``, without a warning either."""
    refused = {CRITICAL, WARNING} if only_passing else {CRITICAL}
    return tuple(n for n in nodes if not any(check.status in refused for check in n.checks))


def soa(domain: Name, settings: DnsSettings, serial: int) -> Record:
    """The domain's SOA record."""
    times = settings.soa
    return Record(
        domain,
        times.min_ttl_s,
        Authority(
            (b"ns", *domain),
            (b"hostmaster", *domain),
            serial & 0xFFFFFFFF,
            times.refresh_s,
            times.retry_s,
            times.expire_s,
            times.min_ttl_s,
        ),
    )


def node_reply(question: Question, node: Node, chase: Chase) -> Reply:
    """A node's address, and its meta as TXT: as answers for TXT and ANY, else beside them."""
    ttl_s = question.settings.node_ttl_s
    shares: list[Share] = []
    if question.kind != wire.TXT:
        text = _translated_node(question, node)
        packed = address_bytes(text)
        if packed is not None:
            shares = _address_shares(question, packed, ttl_s)
        elif (target := host_name(text)) is not None:
            shares = _chain_shares(question, target, ttl_s, chase)
    notes = _meta_records(node, question.name, ttl_s)
    if question.kind in {wire.TXT, wire.ANY}:
        return Reply(shares=(*shares, *map(Share, notes)))
    if not question.settings.enable_additional_node_meta_txt:
        notes = ()
    return Reply(shares=tuple(shares), notes=notes)


def address_reply(question: Question, packed: bytes) -> Reply:
    """The address that the name spells; the other family and other types get no data."""
    if question.kind == wire.TXT:
        return Reply()
    return Reply(shares=tuple(_address_shares(question, packed, question.settings.node_ttl_s)))


def service_reply(
    question: Question, nodes: Sequence[CheckServiceNode], ttl_s: int, chase: Chase
) -> Reply:
    """Addresses of instances, or with SRV also their ports and targets; no shares: no data."""
    if question.kind == wire.SRV:
        return Reply(shares=_srv_shares(question, nodes, ttl_s, chase), shuffle=True)
    shares: dict[bytes, Share] = {}
    chain: list[Share] = []
    for instance in nodes:
        packed, host = _place(question, instance)
        if packed is not None:
            for share in _address_shares(question, packed, ttl_s):
                shares.setdefault(packed, share)
        elif host is not None and not chain:
            chain = _chain_shares(question, host, ttl_s, chase)
    if shares:
        limit = question.settings.a_record_limit
        return Reply(shares=tuple(shares.values()), answer_count_max=limit, shuffle=True)
    return Reply(shares=tuple(chain))


def servers_of(
    question: Question, nodes: Sequence[CheckServiceNode]
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """NS records of up to three servers, and their glue; ``nodes`` come shuffled."""
    ttl_s = question.settings.node_ttl_s
    records: dict[Name, Record] = {}
    glue: list[Record] = []
    for instance in nodes:
        target = node_name(instance.node.node.lower(), question.datacenter, question.domain)
        if target is None or target in records or not is_server_name(instance.node.node):
            continue
        if len(records) == NAME_SERVERS_MAX:
            break
        records[target] = Record(question.domain, ttl_s, Alias(wire.NS, target))
        packed = address_bytes(_translated_node(question, instance.node))
        if packed is not None:
            glue.append(Record(target, ttl_s, Address(packed)))
    return tuple(records.values()), tuple(glue)


def hosts_of(question: Question, nodes: Iterable[CheckServiceNode]) -> tuple[Name, ...]:
    """The host names that must be resolved before the reply is made: one unless SRV is asked."""
    hosts = [host for _, host in (_place(question, node) for node in nodes) if host is not None]
    wanted = tuple(dict.fromkeys(hosts))
    return wanted if question.kind == wire.SRV else wanted[:1]


def host_of_node(question: Question, node: Node) -> Name | None:
    """The host name that stands for a node's address, None if it has an address."""
    text = _translated_node(question, node)
    return None if address_bytes(text) is not None else host_name(text)


def _srv_shares(
    question: Question, nodes: Sequence[CheckServiceNode], ttl_s: int, chase: Chase
) -> tuple[Share, ...]:
    shares: dict[tuple[str, bytes | Name | None, int], Share] = {}
    for instance in nodes:
        packed, host = _place(question, instance)
        port = _port(question, instance)
        key = (instance.node.node.lower(), packed or host, port)
        if key in shares or (packed is None and host is None):
            continue
        target, glue = _target(question, instance, packed, host, ttl_s, chase)
        notes: tuple[Record, ...] = ()
        owner = node_name(instance.node.node, question.datacenter, question.domain)
        if question.settings.enable_additional_node_meta_txt and owner is not None:
            notes = _meta_records(instance.node, owner, ttl_s)
        content = Service(_weight(instance), port & 0xFFFF, target)
        shares[key] = Share(Record(question.name, ttl_s, content), glue, notes)
    return tuple(shares.values())


def _target(
    question: Question,
    instance: CheckServiceNode,
    packed: bytes | None,
    host: Name | None,
    ttl_s: int,
    chase: Chase,
) -> tuple[Name, tuple[Record, ...]]:
    """An SRV target and its glue: the node's name only where it resolves to that address."""
    if packed is None:
        assert host is not None
        records = _of_chain(question, chase(host), ttl_s)
        return host, records
    own = node_name(instance.node.node, question.datacenter, question.domain)
    is_node_address = packed == address_bytes(instance.node.address)
    if own is None or not is_node_address or _service_address(question, instance):
        own = address_name(packed, question.datacenter, question.domain)
    return own, (Record(own, ttl_s, Address(packed)),)


def _place(question: Question, instance: CheckServiceNode) -> tuple[bytes | None, Name | None]:
    """Where an instance is: an address, or a host name, or (an unusable address) neither."""
    text = _service_address(question, instance)
    node_text = _translated_node(question, instance.node)
    if not text:
        text = node_text
    elif _is_own_name(question, text) and address_bytes(node_text) is not None:
        text = node_text  # a service that points at itself would loop
    packed = address_bytes(text)
    return (packed, None) if packed is not None else (None, host_name(text))


def _is_own_name(question: Question, text: str) -> bool:
    asked = b".".join(question.name).lower()
    return text.rstrip(".").lower().encode("utf-8", "surrogateescape") == asked


def _service_address(question: Question, instance: CheckServiceNode) -> str:
    service = instance.service
    tagged = {key: value.address for key, value in (service.tagged_addresses or {}).items()}
    if not service.address and not _uses_wan(question):
        return ""  # the node's address stands for it, with the node's own variants
    return _translated(question, service.address, tagged)


def _translated_node(question: Question, node: Node) -> str:
    return _translated(question, node.address, node.tagged_addresses or {})


def _uses_wan(question: Question) -> bool:
    return question.settings.translate_wan_addrs and question.is_remote


def _translated(question: Question, address: str, tagged: dict[str, str]) -> str:
    """The address for this client: WAN where asked for, and the family's own if it has one."""
    prefix = "wan" if _uses_wan(question) else "lan"
    base = tagged.get("wan", address) if prefix == "wan" else address
    family = {wire.A: "ipv4", wire.AAAA: "ipv6"}.get(question.kind)
    return tagged.get(f"{prefix}_{family}") or base if family else base


def _port(question: Question, instance: CheckServiceNode) -> int:
    if _uses_wan(question):
        wan = (instance.service.tagged_addresses or {}).get("wan")
        if wan is not None and wan.port:
            return wan.port
    return instance.service.port


def _weight(instance: CheckServiceNode) -> int:
    statuses = {check.status for check in instance.checks} - {PASSING}
    weights = instance.service.weights
    weight = weights.passing if not statuses else weights.warning if statuses == {WARNING} else 0
    return min(max(weight, 0), 0xFFFF)


def _address_shares(question: Question, packed: bytes, ttl_s: int) -> list[Share]:
    kinds = _A_KINDS if len(packed) == 4 else _AAAA_KINDS
    if question.kind not in kinds:
        return []
    return [Share(Record(question.name, ttl_s, Address(packed)))]


def _chain_shares(question: Question, target: Name, ttl_s: int, chase: Chase) -> list[Share]:
    first = Share(Record(question.name, ttl_s, Alias(wire.CNAME, target)))
    return [first, *map(Share, _of_chain(question, chase(target), ttl_s))]


def _of_chain(question: Question, records: Iterable[Record], ttl_s: int) -> tuple[Record, ...]:
    kept = [
        Record(record.owner, ttl_s, record.rdata)
        for record in records
        if record.kind in {wire.CNAME, wire.A, wire.AAAA}
    ]
    return tuple(kept if question.has_edns else kept[:CHAIN_RECORDS_MAX])


def _meta_records(node: Node, owner: Name, ttl_s: int) -> tuple[Record, ...]:
    return tuple(
        Record(owner, ttl_s, Text(_meta_text(key, value).encode("utf-8", "surrogateescape")))
        for key, value in (node.meta or {}).items()
    )


def _meta_text(key: str, value: str) -> str:
    """``key=value`` with RFC 1464's escapes; keys ``rfc1035-…`` give the value alone."""
    if key.lower().startswith(_META_PLAIN_PREFIX):
        return value
    escaped = key.replace("`", "``").replace("=", "`=")
    body = escaped.strip(" \t")
    leading = len(escaped) - len(escaped.lstrip(" \t"))
    head = escaped[:leading]
    tail = escaped[leading + len(body) :]
    quoted = ["".join(f"`{space}" for space in part) for part in (head, tail)]
    return f"{quoted[0]}{body}{quoted[1]}={value}"
