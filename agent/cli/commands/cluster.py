"""``members``, ``join``, ``force-leave``: who is in the cluster."""

import re
from typing import Any, Final

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import EXIT_EMPTY_OR_CHILD, Failure, explaining
from agent.cli.output import key_values, say, table

_STATUS: Final = {0: "none", 1: "alive", 2: "leaving", 3: "left", 4: "failed"}
_TYPES: Final = {"consul": "server", "node": "client"}


def members(call: Call) -> int:
    """``members``: a table sorted by segment and name; 2 when nothing matches."""
    call.expect_arguments(0, 0, "")
    try:
        wanted = re.compile(call.text("status"))
    except re.error as error:
        message = f"Failed to compile status regexp: {error}"
        raise Failure(message) from error
    query: Query = [("segment", call.text("segment") or "_all")]
    if call.switch("wan"):
        query = [("wan", "1")]
    with explaining("Error retrieving members"):
        found = call.client.get_json("/v1/agent/members", query) or []
    shown = [member for member in found if wanted.search(_status(member))]
    if not shown:
        return EXIT_EMPTY_OR_CHILD
    shown.sort(key=lambda member: (_segment(member), member["Name"]))
    if call.switch("detailed"):
        rows = [
            [member["Name"], _address(member), _status(member), key_values(member["Tags"], ",")]
            for member in shown
        ]
        table(["Node", "Address", "Status", "Tags"], rows)
    else:
        header = ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"]
        table(header, [_row(member) for member in shown])
    return 0


def _row(member: dict[str, Any]) -> list[str]:
    tags: dict[str, str] = member["Tags"] or {}
    build = tags.get("build", "")
    return [
        member["Name"],
        _address(member),
        _status(member),
        _TYPES.get(tags.get("role", ""), "unknown"),
        # The part after the colon is the commit that the member was built from.
        build.partition(":")[0] or "< 0.3",
        tags.get("vsn", ""),
        tags.get("dc", ""),
        _segment(member),
    ]


def _status(member: dict[str, Any]) -> str:
    return _STATUS.get(member["Status"], "unknown")


def _address(member: dict[str, Any]) -> str:
    host = member["Addr"]
    return f"[{host}]:{member['Port']}" if ":" in host else f"{host}:{member['Port']}"


def _segment(member: dict[str, Any]) -> str:
    tags = member["Tags"] or {}
    if tags.get("role") == "consul":
        return "<all>"
    return tags.get("segment") or "<default>"


def join(call: Call) -> int:
    """``join ADDRESS...``: succeeds when at least one address was joined."""
    call.expect_arguments(1, None, "At least one address to join must be specified.")
    query = [("wan", "1")] if call.switch("wan") else []
    joined = 0
    failures = []
    for address in call.arguments:
        try:
            call.client.put(f"/v1/agent/join/{segment(address)}", query)
            joined += 1
        except Failure as failure:
            failures.append(f"Error joining address '{address}': {failure}")
    if not joined:
        raise Failure("\n".join([*failures, "Failed to join any nodes."]))
    say(f"Successfully joined cluster by contacting {joined} nodes.")
    return 0


def force_leave(call: Call) -> int:
    """``force-leave NAME``: silent when it worked."""
    call.expect_arguments(1, 1, "A single node name must be specified to force leave.")
    query = [(name, "1") for name in ("prune", "wan") if call.switch(name)]
    with explaining("Error force leaving"):
        call.client.put(f"/v1/agent/force-leave/{segment(call.arguments[0])}", query)
    return 0
