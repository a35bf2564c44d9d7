"""``mesh tap``: requests and connections as they pass an agent's proxies, a line each."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from agent.cli.client import Query
from agent.cli.command import Call
from agent.cli.commands.mesh_proxies import check_format
from agent.cli.failure import explaining
from agent.cli.output import warn, write
from agent.cli.quantity import amount, duration

_PATH: Final = "/v1/internal/mesh/tap"
_CONDITIONS: Final = {
    "proxy": "proxy",
    "source": "source",
    "destination": "destination",
    "path": "path",
    "method": "method",
    "status-min": "status_min",
    "share": "share",
}
"""Flags, and the parameters that they are."""

Seen = dict[str, Any]


def tap(call: Call) -> int:
    """``mesh tap``: until the agent stops or the user does, or ``-count`` lines were shown."""
    call.expect_arguments(0, 0, "")
    check_format(call)
    query: Query = [
        (parameter, call.text(flag)) for flag, parameter in _CONDITIONS.items() if call.text(flag)
    ]
    left = call.number("count")
    try:
        with (
            explaining("Error tapping the mesh"),
            call.client.stream(_PATH, query) as pieces,
        ):
            for line in lines(pieces):
                if not _show(line, as_json=call.text("format") == "json"):
                    continue
                left -= 1
                if left == 0:
                    break
    except KeyboardInterrupt:
        return 0
    return 0


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream that are not blank, whole."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line)


def _show(line: bytes, *, as_json: bool) -> bool:
    """Print a line; whether it was a request."""
    seen: Seen = json.loads(line)
    if "Dropped" in seen:
        warn(f"{seen['Dropped']} requests were not shown: they came faster than they were read")
        return False
    # At once, also into a pipe: who reads it watches what happens now.
    write((line if as_json else shown(seen).encode()) + b"\n")
    return True


def shown(seen: Seen) -> str:
    """One request, or one TCP connection, on a line."""
    asked = f"{seen['Method']} {seen['Host']}{seen['Path']}" if "Method" in seen else "connection"
    status = str(seen.get("Status") or "-") if "Method" in seen else ""
    parts = [
        seen["At"],
        f"{seen['Source'] or '-'} => {seen['Destination'] or '-'}",
        f"[{seen['Proxy']}]",
        asked,
        status,
        duration(seen["DurationMs"]),
        f"in {amount(seen['BytesReceived'])} out {amount(seen['BytesSent'])}",
        f"to {seen['Endpoint']}" if seen["Endpoint"] else "",
        f"attempts {seen['Attempts']}" if seen["Attempts"] > 1 else "",
        ",".join(seen.get("Flags") or ()),
        f"({seen['Detail']})" if "Detail" in seen else "",
        f"trace {seen['TraceID']}" if "TraceID" in seen else "",
    ]
    return " ".join(part for part in parts if part)
