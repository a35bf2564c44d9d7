"""The one frozen configuration that the agent runs on, made from the merged tree.

``build`` fills defaults, computes what nobody set, converts and then lets ``validation`` judge the
whole. Attributes follow the keys of the files: ``config.ports.http``, ``config.acl.tokens.agent``.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from agent.config.addresses import ANY_ADDRESSES, AddressBook, Listen, listeners
from agent.config.root import Root
from agent.config.schema import Kind, Section, fields_of
from agent.config.sockaddr import Interface
from agent.config.tree import Block
from catalog.duration import MILLISECOND, MINUTE, SECOND, Duration


class RaftTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Raft's timeouts in nanoseconds, already stretched by ``performance.raft_multiplier``."""

    heartbeat_timeout: Duration
    election_timeout: Duration
    leader_lease_timeout: Duration


_RAFT_BASE: Final = RaftTimings(
    heartbeat_timeout=SECOND, election_timeout=SECOND, leader_lease_timeout=500 * MILLISECOND
)
_RAFT_DEV: Final = RaftTimings(
    heartbeat_timeout=35 * MILLISECOND,
    election_timeout=52 * MILLISECOND,
    leader_lease_timeout=20 * MILLISECOND,
)


class Internal(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that no user can set. Source: surface §5.2, last row."""

    acl_disabled_ttl: Duration = 120 * SECOND
    check_deregister_interval_min: Duration = MINUTE
    check_reap_interval: Duration = 30 * SECOND
    ae_interval: Duration = MINUTE
    sync_coordinate_rate_target: float = 64.0
    sync_coordinate_interval_min: Duration = 15 * SECOND
    segment_limit: int = 64


class RuntimeConfig(Root, frozen=True, kw_only=True):
    """Every key, checked and filled, and what was computed from them.

    The ``*_addrs`` are where doors listen; empty when the door is off. ``serf_wan_addr`` and
    ``serf_wan_advertise`` are None when the WAN pool is off.
    """

    dev_mode: bool
    client_addrs: tuple[str, ...]
    dns_addrs: tuple[Listen, ...]
    http_addrs: tuple[Listen, ...]
    https_addrs: tuple[Listen, ...]
    grpc_addrs: tuple[Listen, ...]
    grpc_tls_addrs: tuple[Listen, ...]
    rpc_addr: Listen
    rpc_advertise: Listen
    serf_lan_addr: Listen
    serf_lan_advertise: Listen
    serf_wan_addr: Listen | None
    serf_wan_advertise: Listen | None
    tagged_addresses: dict[str, str]
    raft_timings: RaftTimings
    internal: Internal = Internal()
    warnings: tuple[str, ...] = ()


class Surroundings(NamedTuple):
    """What the host says: its name, its addresses, and whether -dev was given."""

    hostname: str
    interfaces: Sequence[Interface]
    dev: bool


def build(tree: Block, around: Surroundings, warnings: Sequence[str] = ()) -> RuntimeConfig:
    """The configuration of a merged tree, not yet judged as a whole; raises ConfigError."""
    values: dict[str, Any] = {**_filled(tree, Root), "dev_mode": around.dev}
    values["warnings"] = tuple(warnings)
    _identity(values, around)
    _tls(values, tree)
    _addresses(values, AddressBook(values, tree, around.interfaces))
    values["raft_timings"] = raft_timings(values["performance"]["raft_multiplier"], dev=around.dev)
    if values["bootstrap_expect"] == 1 and not values["bootstrap"] and values["server"]:
        values |= {"bootstrap": True, "bootstrap_expect": 0}
        values["warnings"] += ("bootstrap_expect is set to 1; this is the same as bootstrap mode",)
    return msgspec.convert(values, RuntimeConfig)


def raft_timings(multiplier: int, *, dev: bool) -> RaftTimings:
    """Raft's timeouts: fixed short ones in -dev, else the base times the multiplier."""
    if dev:
        return _RAFT_DEV
    return RaftTimings(
        heartbeat_timeout=_RAFT_BASE.heartbeat_timeout * multiplier,
        election_timeout=_RAFT_BASE.election_timeout * multiplier,
        leader_lease_timeout=_RAFT_BASE.leader_lease_timeout * multiplier,
    )


def _filled(tree: Block, kind: type[Section]) -> dict[str, Any]:
    """The tree with the schema's defaults; keys that are computed stay absent."""
    values: dict[str, Any] = {}
    for name, field in fields_of(kind).items():
        if field.kind is Kind.SECTION:
            assert field.nested is not None, "a section field names its section"
            values[name] = _filled(tree.get(name, Block()), field.nested)
        elif name in tree:
            value = tree[name]
            if field.kind is Kind.SECTIONS and field.nested is not None:
                value = tuple(_filled(item, field.nested) for item in value)
            values[name] = value
        elif field.option.default is not msgspec.UNSET:
            values[name] = field.option.default
    return values


def _identity(values: dict[str, Any], around: Surroundings) -> None:
    values["datacenter"] = values["datacenter"].lower()
    primary = values.get("primary_datacenter") or values["datacenter"]
    values["primary_datacenter"] = primary.lower()
    values["node_name"] = values.get("node_name") or around.hostname
    values["node_id"] = values["node_id"].lower()
    values["log_level"] = values["log_level"].upper()
    for key in ("reconnect_timeout", "reconnect_timeout_wan"):
        # An explicit 0 asks for the default, as in the real agent.
        values[key] = values[key] or fields_of(Root)[key].option.default
    values.setdefault("leave_on_terminate", not values["server"])
    values.setdefault("skip_leave_on_interrupt", values["server"])
    path = values["ui_config"]["content_path"].strip("/")
    values["ui_config"]["content_path"] = f"/{path}/" if path else "/"


_TLS_SPELLINGS: Final = {
    "tls10": "TLSv1_0", "tls11": "TLSv1_1", "tls12": "TLSv1_2", "tls13": "TLSv1_3",
    "TLS_AUTO": "TLSv1_2",
}  # fmt: skip


def _tls(values: dict[str, Any], tree: Block) -> None:
    """Fill each protocol from the defaults, where its own keys are absent."""
    tls = values["tls"]
    written = tree.get("tls", Block())
    for name in ("https", "grpc", "internal_rpc"):
        own = written.get(name, Block())
        inherited = {key: value for key, value in tls["defaults"].items() if own.get(key, "") == ""}
        tls[name] |= inherited
    # A server's name can only be asked for on a verified connection.
    for protocol in tls.values():
        protocol["verify_outgoing"] |= protocol["verify_server_hostname"]
        version = protocol["tls_min_version"] or "TLSv1_2"
        protocol["tls_min_version"] = _TLS_SPELLINGS.get(version, version)


def _addresses(values: dict[str, Any], book: AddressBook) -> None:
    bind = _bind_addr(values, book)
    clients = book.many("client_addr", unix=True) or ("127.0.0.1",)
    if "client_addr" in values and not values["client_addr"].strip():
        raise book.fail("client_addr", "client_addr cannot be empty")
    advertise = _advertise(values, book, bind)
    wan = _advertise_wan(book) or advertise
    lan_host = book.one("serf_lan") or bind
    wan_host = book.one("serf_wan") or bind
    ports = values["ports"]
    values |= {
        "bind_addr": bind,
        "client_addrs": clients,
        "advertise_addr": advertise,
        "advertise_addr_wan": wan,
        "serf_lan": lan_host,
        "serf_wan": wan_host,
        "rpc_addr": Listen("tcp", bind, ports["server"]),
        "rpc_advertise": Listen("tcp", advertise, ports["server"]),
        "serf_lan_addr": Listen("tcp", lan_host, ports["serf_lan"]),
        "serf_lan_advertise": Listen("tcp", advertise, ports["serf_lan"]),
        "serf_wan_addr": None,
        "serf_wan_advertise": None,
        "tagged_addresses": _tagged(advertise, wan),
    }
    if ports["serf_wan"] > 0:
        values["serf_wan_addr"] = Listen("tcp", wan_host, ports["serf_wan"])
        values["serf_wan_advertise"] = Listen("tcp", wan, ports["serf_wan"])
    ip_clients = tuple(host for host in clients if not host.startswith("unix:"))
    for door in ("dns", "http", "https", "grpc", "grpc_tls"):
        own = book.many(f"addresses.{door}", unix=door != "dns")
        hosts = own or (ip_clients if door == "dns" else clients)
        values[f"{door}_addrs"] = listeners("tcp", hosts, ports[door])


def _bind_addr(values: dict[str, Any], book: AddressBook) -> str:
    if not values["bind_addr"].strip():
        raise book.fail("bind_addr", "bind_addr cannot be empty")
    return book.one("bind_addr") or str(values["bind_addr"])


def _advertise(values: dict[str, Any], book: AddressBook, bind: str) -> str:
    own = book.one("advertise_addr") or book.one("advertise_addr_ipv4")
    own = own or book.one("advertise_addr_ipv6")
    if own:
        return _told(own, "advertise_addr", book)
    if bind not in ANY_ADDRESSES:
        return bind
    found = book.first_private_ipv4()
    if not found:
        message = f"no private IPv4 address found for bind_addr {values['bind_addr']}; set it"
        raise book.fail("advertise_addr", message)
    return found


def _advertise_wan(book: AddressBook) -> str:
    own = book.one("advertise_addr_wan") or book.one("advertise_addr_wan_ipv4")
    own = own or book.one("advertise_addr_wan_ipv6")
    return _told(own, "advertise_addr_wan", book) if own else ""


def _told(address: str, path: str, book: AddressBook) -> str:
    if address in ANY_ADDRESSES:
        word = "Advertise WAN" if path.endswith("wan") else "Advertise"
        message = f"{word} address cannot be 0.0.0.0, :: or [::]"
        raise book.fail(path, message)
    return address


def _tagged(advertise: str, wan: str) -> dict[str, str]:
    """Node's tagged addresses, each with its IP family too."""
    tagged = {"lan": advertise, "wan": wan}
    for name, address in (("lan", advertise), ("wan", wan)):
        tagged[f"{name}_ipv{6 if ':' in address else 4}"] = address
    return tagged
