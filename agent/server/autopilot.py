"""What autopilot does about the log's members: promote, demote, clean up; one thing at a time.

Pure: one look at the servers gives at most one action, and the next look sees its outcome. So a
promotion, a demotion and a removal never come together, and the quorum shrinks by one at most
before its members are counted anew. Who loses its vote
must leave as many voters as ``MinQuorum``, at least one, and a majority of them alive. Who is taken
out as dead must also be one that can be spared, and leave a majority of the voters that there were
when the cluster was last stable: losses one after the other must not make a minority the quorum
(consul#5922).

Source: Consul, autopilot; https://developer.hashicorp.com/consul/docs/manage/scale/autopilot
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from agent.server.autopilot_health import Assessment, Condition
from agent.server.consensus import quorum
from agent.server.server_members import ServerMember
from catalog.duration import SECOND
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Status
from raft.entries import NON_VOTER, VOTER, Server

PRESENT: Final = (Status.ALIVE, Status.LEAVING)


class Promote(msgspec.Struct, frozen=True):
    """Give a server a vote."""

    server_id: str


class Demote(msgspec.Struct, frozen=True):
    """Take a server's vote."""

    server_id: str


class HandOver(msgspec.Struct, frozen=True):
    """Let another server lead."""

    target_id: str


class Remove(msgspec.Struct, frozen=True):
    """Take a server that gossip does not know out of the log."""

    server_id: str


class ForceLeave(msgspec.Struct, frozen=True):
    """Say in gossip that a failed server left; it is taken out of the log because of that."""

    server_id: str
    name: str


Action: TypeAlias = Promote | Demote | HandOver | Remove | ForceLeave


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now. ``blocked``: why a removal that is due is not done; empty otherwise."""

    action: Action | None = None
    blocked: str = ""


def decide(
    assessment: Assessment,
    members: Sequence[ServerMember],
    settings: AutopilotConfiguration,
    now_s: float,
) -> Decision:
    """The one thing to do next."""
    action = _promotion(assessment, settings, now_s) or _demotion(assessment, settings)
    if action is not None:
        return Decision(action=action)
    return _cleanup(assessment, members, settings, now_s)


def with_suffrage(servers: Sequence[Server], server_id: str, suffrage: int) -> tuple[Server, ...]:
    """The same servers, one of them with or without its vote."""
    return tuple(
        msgspec.structs.replace(server, suffrage=suffrage) if server.id == server_id else server
        for server in servers
    )


def without(servers: Sequence[Server], server_id: str) -> tuple[Server, ...]:
    """The same servers but for one."""
    return tuple(server for server in servers if server.id != server_id)


def servers_after(servers: Sequence[Server], action: Action) -> tuple[Server, ...]:
    """The members that an action leaves; the same ones for what is not the log's to change."""
    match action:
        case Promote():
            return with_suffrage(servers, action.server_id, VOTER)
        case Demote():
            return with_suffrage(servers, action.server_id, NON_VOTER)
        case Remove():
            return without(servers, action.server_id)
        case HandOver() | ForceLeave():
            return tuple(servers)


# Votes.


def _promotion(
    assessment: Assessment, settings: AutopilotConfiguration, now_s: float
) -> Promote | None:
    stabilization_s = settings.server_stabilization_time / SECOND
    if now_s - assessment.begun_s < stabilization_s:
        stabilization_s = 0.0  # nobody was watched for that long yet
    ready = [
        condition
        for condition in assessment.conditions
        if not condition.is_voter
        and not condition.read_replica
        and condition.status is Status.ALIVE
        and condition.is_healthy
        and condition.stable_s(now_s) >= stabilization_s
    ]
    if not ready:
        return None
    return Promote(min(ready, key=lambda c: (c.stable_since_s, c.id)).id)


def _demotion(assessment: Assessment, settings: AutopilotConfiguration) -> Demote | HandOver | None:
    for voter in assessment.voters:
        if not voter.read_replica or vote_refusal(assessment, voter, settings):
            continue
        if not voter.is_leader:
            return Demote(voter.id)
        heirs = [v for v in assessment.voters if v.is_healthy and not v.read_replica]
        if heirs:
            return HandOver(min(heirs, key=lambda c: (c.stable_since_s, c.id)).id)
    return None


# Servers that are gone.


def _cleanup(
    assessment: Assessment,
    members: Sequence[ServerMember],
    settings: AutopilotConfiguration,
    now_s: float,
) -> Decision:
    if not settings.cleanup_dead_servers:
        return Decision()
    if any(condition.status is Status.LEFT for condition in assessment.conditions):
        return Decision()  # it is on its way out already
    blocked = ""
    for action, voter in _removals(assessment, members, settings, now_s):
        reason = _removal_refusal(assessment, voter, settings) if voter is not None else ""
        if not reason:
            return Decision(action=action)
        blocked = blocked or f"server {action.server_id} is not removed: {reason}"
    return Decision(blocked=blocked)


def _removals(
    assessment: Assessment,
    members: Sequence[ServerMember],
    settings: AutopilotConfiguration,
    now_s: float,
) -> Iterator[tuple[Remove | ForceLeave, Condition | None]]:
    """What is due, the harmless first; with the voter that it costs."""
    voter_ids = {voter.id for voter in assessment.voters}
    failed = [member for member in members if member.status is Status.FAILED]
    patience_s = settings.server_stabilization_time / SECOND
    # Gossip may be the one that is late: a server that answers, or was silent for a moment only,
    # is not forgotten because of it.
    stale = [
        condition
        for condition in assessment.conditions
        if condition.status is Status.NONE
        and not condition.is_leader
        and not condition.answers
        and condition.stable_s(now_s) >= patience_s
    ]
    for member in failed:
        if member.id not in voter_ids:
            yield ForceLeave(member.id, member.name), None
    for condition in stale:
        if not condition.is_voter:
            yield Remove(condition.id), None
    for condition in stale:
        if condition.is_voter:
            yield Remove(condition.id), condition
    for member in failed:
        if member.id in voter_ids:
            yield ForceLeave(member.id, member.name), assessment.of(member.id)


def vote_refusal(assessment: Assessment, voter: Condition, settings: AutopilotConfiguration) -> str:
    """Why a voter may not lose its vote now, whoever wants it; empty when it may."""
    remaining = len(assessment.voters) - 1
    alive = sum(other.status in PRESENT for other in assessment.voters if other.id != voter.id)
    if remaining < max(1, settings.min_quorum):
        return f"{remaining} voters would be fewer than MinQuorum ({settings.min_quorum})"
    if alive < quorum(remaining):
        return f"only {alive} of the remaining {remaining} voters would be alive"
    return ""


def _removal_refusal(
    assessment: Assessment, voter: Condition, settings: AutopilotConfiguration
) -> str:
    """Why a voter that is dead is kept nevertheless; empty when it may go."""
    voter_count, stable_count = len(assessment.voters), assessment.stable_voter_count
    if reason := vote_refusal(assessment, voter, settings):
        return reason
    if (voter_count - 1) // 2 < 1:
        return f"of {voter_count} voters none can be spared"
    if voter_count - 1 < quorum(stable_count):
        return (
            f"{voter_count - 1} voters would be no majority of the {stable_count} that there were "
            "when all were healthy"
        )
    return ""
