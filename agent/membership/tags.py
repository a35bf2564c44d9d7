"""What agents say of themselves in gossip, and how it is read: tags, servers, the API's members.

A server has the role ``consul``, a client ``node``. Between datacenters a member is called
``node.datacenter``. All tags of a member fit 512 bytes of one packet.
Source: Consul's gossip tags; surface §1.1, Member.
"""

import ipaddress
import re
from typing import Any, Final

import msgspec

from agent.config import RuntimeConfig
from agent.version import COMPATIBLE, REVISION
from catalog.duration import format_duration
from catalog.rows.node import Coord
from gossip.core.types import Coordinate, Member, Status, normalized_ip

ROLE_SERVER: Final = "consul"
ROLE_CLIENT: Final = "node"
RAFT_PROTOCOL: Final = "3"
RECONNECT_TIMEOUT_TAG: Final = "rc_tm"
PORT_MAX: Final = 65535  # a u16
_VERSIONED_BUILD: Final = re.compile(r"\d+\.\d+\.\d+")


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A member that is a server. ``host`` and ``port`` are those of its RPC.

    ``wan_join_port`` is 0 when it takes no part in the gossip between datacenters; ``expect`` is
    how many servers it waits for before the first election, 0 for none.
    """

    id: str
    name: str
    datacenter: str
    host: str
    port: int
    wan_join_port: int
    bootstrap: bool
    expect: int
    build: str
    raft_version: str
    status: Status

    @property
    def healthy(self) -> bool:
        """Whether it is alive, as far as gossip knows."""
        return self.status is Status.ALIVE


def tags_of(
    config: RuntimeConfig, node_id: str, *, wide: bool = False, wan_join_port: int = 0
) -> dict[str, str]:
    """The tags of this agent, for the LAN pool or the ``wide`` one between datacenters."""
    tags = {
        "build": f"{COMPATIBLE}:{REVISION}",
        "dc": config.datacenter,
        "id": node_id,
        "role": ROLE_SERVER if config.server else ROLE_CLIENT,
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    if not config.server:
        if config.advertise_reconnect_timeout:
            tags[RECONNECT_TIMEOUT_TAG] = format_duration(config.advertise_reconnect_timeout)
        return tags
    tags |= {
        "acls": "1" if config.acl.enabled else "0",
        "ft_fs": "1",
        "ft_si": "1",
        "port": str(config.rpc_advertise.port),
        "raft_vsn": RAFT_PROTOCOL,
    }
    if config.bootstrap or config.dev_mode:
        tags["bootstrap"] = "1"
    elif config.bootstrap_expect:
        tags["expect"] = str(config.bootstrap_expect)
    if config.tls.internal_rpc.ca_file or config.tls.internal_rpc.ca_path:
        tags["use_tls"] = "1"
    if config.read_replica:
        tags |= {"nonvoter": "1", "read_replica": "1"}
    if wan_join_port and not wide:
        tags["wan_join_port"] = str(wan_join_port)
    return tags


def wan_name(node_name: str, datacenter: str) -> str:
    """The name of a server in the pool between datacenters."""
    return f"{node_name}.{datacenter}"


def server_of(member: Member) -> ServerInfo | None:
    """What a member says of itself as a server; None for a client or for unreadable tags."""
    tags = member.tags
    if tags.get("role") != ROLE_SERVER:
        return None
    port = _number(tags.get("port"), PORT_MAX)
    numbers = [
        _number(tags.get("vsn")),
        _number(tags.get("raft_vsn", "0")),
        _number(tags.get("expect", "0")),
        _number(tags.get("wan_join_port", "0"), PORT_MAX),
    ]
    build = tags.get("build", "").partition(":")[0]
    if port is None or None in numbers or _VERSIONED_BUILD.match(build) is None:
        return None
    datacenter = tags.get("dc", "")
    return ServerInfo(
        id=tags.get("id", ""),
        name=member.name,
        datacenter=datacenter,
        host=host_of(member),
        port=port,
        wan_join_port=numbers[3] or 0,
        bootstrap=tags.get("bootstrap") == "1",
        expect=numbers[2] or 0,
        build=build,
        raft_version=tags.get("raft_vsn", ""),
        status=member.status,
    )


def host_of(member: Member) -> str:
    """The text of a member's IP address."""
    return str(ipaddress.ip_address(normalized_ip(member.address.ip)))


def member_json(member: Member) -> dict[str, Any]:
    """A member as the API shows it."""
    versions = member.versions
    return {
        "Name": member.name,
        "Addr": host_of(member),
        "Port": member.address.port,
        "Tags": dict(sorted(member.tags.items())),
        "Status": int(member.status),
        "ProtocolMin": versions.protocol_min,
        "ProtocolMax": versions.protocol_max,
        "ProtocolCur": versions.protocol,
        "DelegateMin": versions.delegate_min,
        "DelegateMax": versions.delegate_max,
        "DelegateCur": versions.delegate,
    }


def coord_of(coordinate: Coordinate) -> Coord:
    """A coordinate of the gossip as the catalog keeps it."""
    return Coord(
        vec=coordinate.vec,
        error=coordinate.error,
        adjustment=coordinate.adjustment,
        height=coordinate.height,
    )


def _number(text: str | None, maximum: int = 0xFFFFFFFF) -> int | None:
    if text is None or not (text.isascii() and text.isdecimal()):
        return None
    number = int(text)
    return number if number <= maximum else None
