"""``operator``: the servers' consensus group and how autopilot looks after it."""

import json
from typing import Any, Final

from agent.cli.client import Query
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import go_bool, say, spaced_json, table
from catalog.duration import format_duration

_AUTOPILOT: Final = "/v1/operator/autopilot/configuration"
_FIELDS: Final = {
    "cleanup-dead-servers": "CleanupDeadServers",
    "last-contact-threshold": "LastContactThreshold",
    "max-trailing-logs": "MaxTrailingLogs",
    "min-quorum": "MinQuorum",
    "server-stabilization-time": "ServerStabilizationTime",
    "redundancy-zone-tag": "RedundancyZoneTag",
    "disable-upgrade-migration": "DisableUpgradeMigration",
    "upgrade-version-tag": "UpgradeVersionTag",
}
_BOOLEANS: Final = {"true": True, "false": False}


def list_peers(call: Call) -> int:
    """``operator raft list-peers``: a table."""
    call.expect_arguments(0, 0, "")
    with explaining("Error getting peers: Failed to retrieve raft configuration"):
        servers = call.client.get_json("/v1/operator/raft/configuration")["Servers"]
    rows = [
        [
            server["Node"] or "(unknown)",
            server["ID"],
            server["Address"],
            "leader" if server["Leader"] else "follower",
            go_bool(value=server["Voter"]),
            server["ProtocolVersion"] or "<=1",
        ]
        for server in servers
    ]
    table(["Node", "ID", "Address", "State", "Voter", "RaftProtocol"], rows)
    return 0


def remove_peer(call: Call) -> int:
    """``operator raft remove-peer``: by address or by ID."""
    call.expect_arguments(0, 0, "")
    address, server_id = call.text("address"), call.text("id")
    if bool(address) == bool(server_id):
        raise Failure(
            "Error removing peer: an address or id is required for the peer to remove, not both"
        )
    kind, value = ("address", address) if address else ("id", server_id)
    with explaining("Error removing peer"):
        call.client.delete("/v1/operator/raft/peer", [(kind, value)])
    say(f'Removed peer with {kind} "{value}"')
    return 0


def transfer_leader(call: Call) -> int:
    """``operator raft transfer-leader``."""
    call.expect_arguments(0, 0, "")
    query: Query = [("id", call.text("id"))] if call.text("id") else []
    with explaining("Error transferring leadership"):
        answer = call.client.request("POST", "/v1/operator/raft/transfer-leader", query).json()
    if not (answer or {}).get("Success"):
        raise Failure("Error transferring leadership: the agent reported no success")
    say("Success")
    return 0


def get_config(call: Call) -> int:
    """``operator autopilot get-config``: ``Key = value`` lines."""
    call.expect_arguments(0, 0, "")
    with explaining("Error querying Autopilot configuration"):
        config = call.client.get_json(_AUTOPILOT)
    for name in (
        "CleanupDeadServers",
        "LastContactThreshold",
        "MaxTrailingLogs",
        "MinQuorum",
        "ServerStabilizationTime",
        "RedundancyZoneTag",
        "DisableUpgradeMigration",
        "UpgradeVersionTag",
    ):
        say(f"{name} = {_shown(name, config[name])}")
    return 0


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return go_bool(value=value)
    # The two tag names are quoted so that an empty one can be seen.
    return json.dumps(value) if name.endswith("Tag") else str(value)


def set_config(call: Call) -> int:
    """``operator autopilot set-config``: change only what was given, unless changed meanwhile."""
    call.expect_arguments(0, 0, "")
    changes = {field: _given(call, flag) for flag, field in _FIELDS.items() if call.given(flag)}
    with explaining("Error querying Autopilot configuration"):
        config = call.client.get_json(_AUTOPILOT)
    index = config.pop("ModifyIndex")
    config.pop("CreateIndex")
    with explaining("Error setting Autopilot configuration"):
        written = call.client.put_json(_AUTOPILOT, {**config, **changes}, [("cas", str(index))])
    if written is not True:
        raise Failure("Configuration could not be atomically updated, please try again")
    say("Configuration updated!")
    return 0


def _given(call: Call, flag: str) -> bool | int | str:
    match flag:
        case "cleanup-dead-servers" | "disable-upgrade-migration":
            text = call.text(flag)
            if text not in _BOOLEANS:
                message = f'invalid value "{text}" for flag -{flag}: must be true or false'
                raise Failure(message)
            return _BOOLEANS[text]
        case "last-contact-threshold" | "server-stabilization-time":
            return format_duration(call.number(flag))
        case "max-trailing-logs" | "min-quorum":
            return call.number(flag)
        case _:
            return call.text(flag)


def state(call: Call) -> int:
    """``operator autopilot state``."""
    call.expect_arguments(0, 0, "")
    if call.text("format") not in {"pretty", "json"}:
        message = f'-format must be pretty or json, not "{call.text("format")}"'
        raise Failure(message)
    with explaining("Error querying Autopilot state"):
        found = call.client.get_json("/v1/operator/autopilot/state")
    say(spaced_json(found) if call.text("format") == "json" else _pretty(found))
    return 0


def _pretty(found: dict[str, Any]) -> str:
    lines = [
        f"Healthy:                      {go_bool(value=found['Healthy'])}",
        f"Failure Tolerance:            {found['FailureTolerance']}",
        f"Optimistic Failure Tolerance: {found['OptimisticFailureTolerance']}",
        f"Leader:                       {found['Leader']}",
        "Voters:",
        *(f"   {voter}" for voter in found["Voters"] or ()),
        "Servers:",
    ]
    for server_id, server in sorted((found["Servers"] or {}).items()):
        lines += [f"   {server_id}", *_pretty_server(server)]
    return "\n".join(lines)


def _pretty_server(server: dict[str, Any]) -> list[str]:
    fields = {
        "Name": server["Name"],
        "Address": server["Address"],
        "Version": server["Version"],
        "Status": server["Status"],
        "Node Type": server["NodeType"],
        "Node Status": server["NodeStatus"],
        "Healthy": go_bool(value=server["Healthy"]),
        "Last Contact": server["LastContact"],
        "Last Term": server["LastTerm"],
        "Last Index": server["LastIndex"],
    }
    lines = [f"      {name + ':':<16} {value}" for name, value in fields.items()]
    if meta := server.get("Meta"):
        width = max(len(key) for key in meta) + 1
        lines.append("      Meta:")
        lines += [f"         {key + ':':<{width}} {meta[key]}" for key in sorted(meta)]
    return lines
