"""The servers of this datacenter as gossip knows them: what the rules about the log's members read.

A server is its node id. When gossip has an id twice (the node was renamed, or came back), the
member in the better state speaks for it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from agent.membership.tags import server_of
from gossip.core.types import Member, Status

# Which of two members with one id speaks for it.
_PREFERENCE: Final = (Status.ALIVE, Status.LEAVING, Status.FAILED, Status.LEFT, Status.NONE)


class ServerMember(msgspec.Struct, frozen=True, kw_only=True):
    """A server in gossip. ``address``: ``host:port`` of its RPC.

    ``read_replica``: it never votes. ``bootstrap`` and ``expect``: how it begins a cluster.
    """

    id: str
    name: str
    address: str
    status: Status
    read_replica: bool = False
    bootstrap: bool = False
    expect: int = 0
    build: str = ""
    raft_version: str = "3"


def server_members(members: Iterable[Member], datacenter: str) -> tuple[ServerMember, ...]:
    """The servers of ``datacenter``, sorted by id, each id once; none without an id."""
    found: dict[str, ServerMember] = {}
    for member in sorted(members, key=lambda m: (_PREFERENCE.index(m.status), m.name)):
        server = server_of(member)
        if server is None or not server.id or server.datacenter != datacenter:
            continue
        tags = member.tags
        known = ServerMember(
            id=server.id,
            name=server.name,
            address=address_of(server.host, server.port),
            status=server.status,
            read_replica="read_replica" in tags or "nonvoter" in tags,
            bootstrap=server.bootstrap,
            expect=server.expect,
            build=server.build,
            raft_version=server.raft_version,
        )
        found.setdefault(server.id, known)
    return tuple(found[server_id] for server_id in sorted(found))


def address_of(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``address_of``'s text."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
