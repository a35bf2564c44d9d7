"""Rows of the commands about members, servers and snapshots."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.shared import FORMAT, WAN

GROUP: Final = "Cluster"

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "members",
        GROUP,
        "List the members of the cluster",
        "cluster:members",
        flags=(
            Flag("detailed", "Print each member's tags.", Kind.SWITCH),
            Flag("segment", "Only members of this segment."),
            Flag("status", "Only members whose status matches this pattern.", default=".*"),
            WAN,
        ),
        notes="Exits with 2 when no member matches.",
    ),
    Command("join", GROUP, "Join a cluster", "cluster:join", "ADDRESS...", flags=(WAN,)),
    Command(
        "force-leave",
        GROUP,
        "Put a failed member into the left state",
        "cluster:force_leave",
        "NAME",
        flags=(Flag("prune", "Also remove it from the list of members.", Kind.SWITCH), WAN),
    ),
    Command("keygen", GROUP, "Make a key for gossip", "keyring:keygen", http=False),
    Command(
        "keyring",
        GROUP,
        "Manage the keys of gossip",
        "keyring:keyring",
        flags=(
            Flag("install", "Install this new key everywhere."),
            Flag("list", "List installed keys.", Kind.SWITCH),
            Flag("list-primary", "List the keys that encrypt.", Kind.SWITCH),
            Flag("local-only", "Ask only servers of this datacenter's LAN pool.", Kind.SWITCH),
            Flag("relay-factor", "Members that relay each answer, 0 to 5.", Kind.COUNT, "0"),
            Flag("remove", "Remove this key everywhere."),
            Flag("use", "Encrypt with this installed key."),
        ),
    ),
    Command("operator raft list-peers", GROUP, "List servers", "operator:list_peers", server=True),
    Command(
        "operator raft remove-peer",
        GROUP,
        "Remove a server",
        "operator:remove_peer",
        server=True,
        flags=(
            Flag("address", "Address of the server, host:port."),
            Flag("id", "ID of the server."),
        ),
    ),
    Command(
        "operator raft transfer-leader",
        GROUP,
        "Hand leadership to another server",
        "operator:transfer_leader",
        server=True,
        flags=(Flag("id", "ID of the next leader; any when empty."),),
    ),
    Command(
        "operator autopilot get-config",
        GROUP,
        "Print how servers are looked after",
        "operator:get_config",
        server=True,
    ),
    Command(
        "operator autopilot set-config",
        GROUP,
        "Change how servers are looked after",
        "operator:set_config",
        server=True,
        flags=(
            Flag("cleanup-dead-servers", "Remove dead servers by itself: true or false."),
            Flag("disable-upgrade-migration", "Do not promote by version: true or false."),
            Flag("last-contact-threshold", "Silence that is unhealthy.", Kind.DURATION),
            Flag("max-trailing-logs", "Log entries behind that are unhealthy.", Kind.COUNT),
            Flag("min-quorum", "Servers below which none is removed.", Kind.COUNT),
            Flag("redundancy-zone-tag", "Node metadata key of zones."),
            Flag("server-stabilization-time", "Health before promotion.", Kind.DURATION),
            Flag("upgrade-version-tag", "Node metadata key of versions."),
        ),
        notes="Only the flags that are given change; their defaults mean nothing.",
    ),
    Command(
        "operator autopilot state",
        GROUP,
        "Print the health of each server",
        "operator:state",
        server=True,
        flags=(FORMAT,),
    ),
    Command(
        "snapshot save",
        GROUP,
        "Write the cluster's state to a file",
        "snapshot:save",
        "FILE",
        server=True,
    ),
    Command(
        "snapshot restore",
        GROUP,
        "Replace the cluster's state by a file's",
        "snapshot:restore",
        "FILE",
        server=True,
    ),
    Command(
        "snapshot inspect",
        GROUP,
        "Verify a snapshot file and describe it",
        "snapshot:inspect",
        "FILE",
        http=False,
        flags=(FORMAT,),
    ),
)
