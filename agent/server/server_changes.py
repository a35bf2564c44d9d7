"""How the log's members follow gossip: who is alive is added, who left or was forgotten is removed.

Pure: one look gives at most one change of the membership, the most urgent first. A server comes in
without a vote; autopilot gives it one. Failed servers stay: they may come back, or else autopilot
cleans up. Source: Consul, leader's reconciliation of servers.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from agent.server.autopilot import without
from agent.server.consensus import find, quorum
from agent.server.server_members import ServerMember
from gossip.core.types import Status
from raft.entries import NON_VOTER, VOTER, Configuration, Server

RAFT_PROTOCOL: Final = "3"  # older ones know servers by their address


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The members wanted, and for whose sake: ``why`` is ``added``, ``moved``, ``removed``."""

    servers: tuple[Server, ...]
    subject: str
    why: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The next change, if any, and each server that cannot be added, with the reason."""

    change: Change | None = None
    refused: tuple[str, ...] = ()


def next_change(
    configuration: Configuration,
    members: Sequence[ServerMember],
    *,
    own_id: str,
    forgotten: Collection[str] = (),
    strangers: Collection[str] = (),
) -> Plan:
    """What brings the log's members nearer to gossip's; nothing when they agree.

    ``forgotten``: ids of servers that gossip gave up after a long time; ``strangers``: ids of those
    that belong to another cluster.
    """
    if configuration.is_joint or not configuration.servers:
        return Plan()  # a change is under way, or there is no cluster yet
    gone = _first_gone(configuration, members, own_id=own_id, forgotten=forgotten)
    if gone is not None:
        return Plan(change=gone)
    refused: list[str] = []
    for member in members:
        if member.status is not Status.ALIVE:
            continue
        known = find(configuration, member.id)
        if known is not None and known.address == member.address:
            continue
        reason = _entry_refusal(configuration, member, members)
        if known is None and member.id in strangers:
            reason = "it belongs to another cluster; its data directory must be empty to join"
        if reason:
            refused.append(f"{member.name}: {reason}")
            continue
        return Plan(change=_entered(configuration, member), refused=tuple(refused))
    return Plan(refused=tuple(refused))


def _first_gone(
    configuration: Configuration,
    members: Sequence[ServerMember],
    *,
    own_id: str,
    forgotten: Collection[str],
) -> Change | None:
    """The removal of a server that left; never of ourselves: who is alive speaks for itself."""
    by_id = {member.id: member for member in members}
    for server in configuration.servers:
        member = by_id.get(server.id)
        has_left = member.status is Status.LEFT if member else server.id in forgotten
        if not has_left or server.id == own_id:
            continue
        remaining = without(configuration.servers, server.id)
        if any(other.suffrage == VOTER for other in remaining):
            name = member.name if member else server.id
            return Change(servers=remaining, subject=name, why="removed")
    return None


def _entry_refusal(
    configuration: Configuration, member: ServerMember, members: Sequence[ServerMember]
) -> str:
    if member.raft_version != RAFT_PROTOCOL:
        return f"it speaks protocol {member.raft_version!r} of the log, {RAFT_PROTOCOL} is needed"
    others_begin = any(m.bootstrap and m.id != member.id for m in members)
    if member.bootstrap and others_begin and find(configuration, member.id) is None:
        return "two servers are in bootstrap mode; only one may be"
    voters = configuration.voter_ids()
    displaced = {server.id for server in _displaced(configuration, member)}.intersection(voters)
    if len(displaced) > len(voters) - quorum(len(voters)):
        return (
            f"its address {member.address} is that of {len(displaced)} voters, and so many cannot "
            "be replaced at once"
        )
    return ""


def _displaced(configuration: Configuration, member: ServerMember) -> tuple[Server, ...]:
    """Servers with other ids that were at the member's address before it."""
    return tuple(
        server
        for server in configuration.servers
        if server.address == member.address and server.id != member.id
    )


def _entered(configuration: Configuration, member: ServerMember) -> Change:
    displaced = _displaced(configuration, member)
    kept = tuple(server for server in configuration.servers if server not in displaced)
    known = find(configuration, member.id)
    if known is None:
        new = Server(NON_VOTER, member.id, member.address)
        return Change(servers=(*kept, new), subject=member.name, why="added")
    moved = msgspec.structs.replace(known, address=member.address)
    servers = tuple(moved if server.id == member.id else server for server in kept)
    return Change(servers=servers, subject=member.name, why="moved")


# What an operator asks for.


def removal_refusal(
    configuration: Configuration, members: Sequence[ServerMember], server_id: str
) -> str:
    """Why a server may not be taken out by hand; empty when it may.

    New servers have no vote until autopilot has watched them for a while. Whoever takes the old
    ones out before that is left without a quorum (consul#3472, consul#3151).
    """
    voter_ids = configuration.voter_ids()
    if server_id not in voter_ids:
        return ""
    remaining = [voter_id for voter_id in voter_ids if voter_id != server_id]
    if not remaining:
        return "the only voter cannot be removed"
    alive_ids = {member.id for member in members if member.status is Status.ALIVE}
    alive = sum(voter_id in alive_ids for voter_id in remaining)
    if alive >= quorum(len(remaining)):
        return ""
    waiting = sum(
        server.id in alive_ids for server in configuration.servers if server.suffrage != VOTER
    )
    return (
        f"only {alive} of the remaining {len(remaining)} voters would be alive, which is no quorum"
        + (f"; wait until autopilot promotes the {waiting} new servers" if waiting else "")
    )
