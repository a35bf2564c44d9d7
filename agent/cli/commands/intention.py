"""``intention``: which services may connect to which."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import EXIT_FAILED, EXIT_OK, ApiError, Failure, explaining
from agent.cli.input import file_or_stdin
from agent.cli.output import columns, say, table

_PATH: Final = "/v1/connect/intentions"
_NOT_FOUND: Final = 404
_TWO_NAMES: Final = "Error! Must specify two arguments: source and destination service"
# Go's time.RFC850, for times in UTC.
_RFC850: Final = "%A, %d-%b-%y %H:%M:%S UTC"


def create(call: Call) -> int:
    """``intention create SRC DST`` or, with -file, of each file."""
    if call.switch("allow") and call.switch("deny"):
        raise Failure("Only one of -allow or -deny may be specified.")
    for wanted in _wanted(call):
        _create_one(call, wanted)
    return 0


def _wanted(call: Call) -> list[dict[str, Any]]:
    if call.switch("file"):
        call.expect_arguments(1, None, "Error! Must specify at least one file")
        return [_from_file(name) for name in call.arguments]
    call.expect_arguments(2, 2, _TWO_NAMES)
    source, destination = call.arguments
    wanted: dict[str, Any] = {
        "SourceName": source,
        "DestinationName": destination,
        "SourceType": "consul",
        "Action": "deny" if call.switch("deny") else "allow",
    }
    if meta := call.key_values("meta"):
        wanted["Meta"] = meta
    return [wanted]


def _from_file(name: str) -> dict[str, Any]:
    try:
        wanted = json.loads(file_or_stdin(name))
    except ValueError as error:
        message = f"Error: Failed to parse {name}: {error}"
        raise Failure(message) from error
    if not isinstance(wanted, dict):
        message = f"Error: Failed to parse {name}: must be an object"
        raise Failure(message)
    return wanted


def _create_one(call: Call, wanted: dict[str, Any]) -> None:
    source, destination = wanted.get("SourceName", ""), wanted.get("DestinationName", "")
    shown = f"{source} => {destination} ({wanted.get('Action', '')})"
    with explaining(f"Error creating intention {shown!r}".replace("'", '"')):
        existing = _find(call, source, destination) if call.switch("replace") else None
        if existing is None:
            call.client.request("POST", _PATH, [], json.dumps(wanted).encode())
        elif existing.get("ID"):
            call.client.put_json(f"{_PATH}/{existing['ID']}", wanted)
        else:
            call.client.put_json(f"{_PATH}/exact", wanted, _exact(source, destination))
    say(f"Created: {shown}")


def _exact(source: str, destination: str) -> Query:
    return [("source", source), ("destination", destination)]


def _find(call: Call, source: str, destination: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = call.client.get_json(f"{_PATH}/exact", _exact(source, destination))
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    return found


def check(call: Call) -> int:
    """``intention check SRC DST``: 0 when allowed, 1 when denied."""
    call.expect_arguments(2, 2, _TWO_NAMES)
    query = [*_exact(*call.arguments), ("source-type", "consul")]
    with explaining("Error checking the connection"):
        allowed = call.client.get_json(f"{_PATH}/check", query)["Allowed"]
    say("Allowed" if allowed else "Denied")
    return EXIT_OK if allowed else EXIT_FAILED


def match(call: Call) -> int:
    """``intention match SERVICE``: ``x => y (allow)`` lines in order of precedence."""
    call.expect_arguments(1, 1, "Error! Must specify exactly one argument: a service name")
    if call.switch("source") and call.switch("destination"):
        raise Failure("Only one of -source or -destination may be specified.")
    by = "source" if call.switch("source") else "destination"
    name = call.arguments[0]
    with explaining("Error matching the connection"):
        found = call.client.get_json(f"{_PATH}/match", [("by", by), ("name", name)])
    for intention in found[name] or []:
        say(f"{intention['SourceName']} => {intention['DestinationName']} ({_action(intention)})")
    return 0


def get(call: Call) -> int:
    """``intention get SRC DST`` or ``intention get ID``: a block of fields."""
    with explaining("Error"):
        intention = _one(call)
    rows = [
        ["Source:", intention["SourceName"]],
        ["Destination:", intention["DestinationName"]],
        ["Action:", _action(intention)],
    ]
    if intention.get("ID"):
        rows.append(["ID:", intention["ID"]])
    if intention.get("Description"):
        rows.append(["Description:", intention["Description"]])
    rows += [[f"Meta[{key}]:", text] for key, text in sorted((intention.get("Meta") or {}).items())]
    if intention.get("CreatedAt"):
        rows.append(["Created At:", _rfc850(intention["CreatedAt"])])
    say(columns(rows))
    return 0


def _one(call: Call) -> dict[str, Any]:
    call.expect_arguments(1, 2, _TWO_NAMES)
    if len(call.arguments) == 1:
        by_id: dict[str, Any] = call.client.get_json(f"{_PATH}/{segment(call.arguments[0])}")
        return by_id
    source, destination = call.arguments
    found = _find(call, source, destination)
    if found is None:
        message = f'Intention with source "{source}" and destination "{destination}" not found.'
        raise Failure(message)
    return found


def delete(call: Call) -> int:
    """``intention delete SRC DST`` or ``intention delete ID``."""
    with explaining("Error"):
        if len(call.arguments) == 1:
            call.client.delete(f"{_PATH}/{segment(call.arguments[0])}")
        else:
            _one(call)
            source, destination = call.arguments
            call.client.delete(f"{_PATH}/exact", _exact(source, destination))
    say("Intention deleted.")
    return 0


def list_(call: Call) -> int:
    """``intention list``: a table."""
    call.expect_arguments(0, 0, "")
    with explaining("Failed to retrieve the intentions list"):
        found = call.client.get_json(_PATH) or []
    if not found:
        raise Failure("There are no intentions.")
    rows = [
        [
            intention.get("ID", ""),
            intention["SourceName"],
            _action(intention),
            intention["DestinationName"],
            str(intention["Precedence"]),
        ]
        for intention in found
    ]
    table(["ID", "Source", "Action", "Destination", "Precedence"], rows)
    return 0


def _action(intention: dict[str, Any]) -> str:
    """Return what it does; one with permissions decides by request, and has no action."""
    if intention.get("Permissions"):
        count = len(intention["Permissions"])
        return f"{count} PERMISSION{'S' if count > 1 else ''}"
    action: str = intention.get("Action", "")
    return action


def _rfc850(text: str) -> str:
    # Go prints up to nine digits of a second; Python reads six, and none are shown.
    return datetime.fromisoformat(text).astimezone(UTC).strftime(_RFC850)
