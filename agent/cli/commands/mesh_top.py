"""``mesh top``: who calls whom through an agent's proxies, how much and how well.

Rates and percentiles are of the last minute. A terminal is redrawn until the user stops it, as top
does; a pipe gets the table once.
"""

import shutil
import sys
import threading
from typing import Any, Final

from agent.cli.client import Query
from agent.cli.command import Call
from agent.cli.commands.mesh_proxies import check_format
from agent.cli.failure import Failure, explaining
from agent.cli.flags import seconds
from agent.cli.output import say, tabbed_json, table
from agent.cli.quantity import amount, duration

HEADER: Final = (
    "SOURCE", "DESTINATION", "VIA", "ROUTE", "RPS", "OK%", "P50", "P99", "CONNS", "IN", "OUT",
    "DENIED", "RETRIES",
)  # fmt: skip
INTERVAL_S_MIN: Final = 0.2  # workers report each second; more often shows nothing new
MARGIN_LINES: Final = 2  # the header, and where the cursor stands
CLEAR: Final = "\x1b[H\x1b[J"
_PATH: Final = "/v1/internal/mesh/edges"
_DIRECTIONS: Final = {"outbound": "out", "inbound": "in"}

Edge = dict[str, Any]


def top(call: Call) -> int:
    """``mesh top``."""
    call.expect_arguments(0, 0, "")
    check_format(call)
    interval_s = seconds(call.number("interval"))
    if interval_s < INTERVAL_S_MIN:
        message = f"-interval must be at least {INTERVAL_S_MIN:g}s"
        raise Failure(message)
    is_screen = sys.stdout.isatty() and call.text("format") == "pretty"
    try:
        _show(call, is_screen=is_screen)
        while call.switch("watch") if call.given("watch") else is_screen:
            threading.Event().wait(interval_s)
            _show(call, is_screen=is_screen)
    except KeyboardInterrupt:
        return 0
    return 0


def _show(call: Call, *, is_screen: bool) -> None:
    names = ("source", "destination", "proxy")
    query: Query = [(name, call.text(name)) for name in names if call.text(name)]
    with explaining("Error asking for the mesh's traffic"):
        edges: list[Edge] = call.client.get_json(_PATH, query)
    if call.text("format") == "json":
        say(tabbed_json(edges))
        return
    rows = [_row(edge) for edge in folded(edges)]
    if is_screen:
        print(CLEAR, end="")
        rows = rows[: shutil.get_terminal_size().lines - MARGIN_LINES]
    table(HEADER, rows)


def folded(edges: list[Edge]) -> list[Edge]:
    """The edges without those that only tell of connections which the requests of others use.

    An HTTP connection belongs to no route, so each route of the pair is shown with all of them.
    """
    connections = {_pair(edge): edge["ConnectionsOpen"] for edge in edges if _is_bare(edge)}
    shared = {_pair(edge) for edge in edges if not _is_bare(edge)}
    return [
        edge | {"ConnectionsOpen": edge["ConnectionsOpen"] + connections.get(_pair(edge), 0)}
        if not _is_bare(edge)
        else edge
        for edge in edges
        if not _is_bare(edge) or _pair(edge) not in shared
    ]


def _pair(edge: Edge) -> tuple[str, str, str, str]:
    return edge["Proxy"], edge["Direction"], edge["Source"], edge["Destination"]


def _is_bare(edge: Edge) -> bool:
    return edge["Protocol"] != "tcp" and not edge["Route"] and not edge["RequestsPerSecond"]


def _row(edge: Edge) -> list[str]:
    asked = edge["RequestsPerSecond"] > 0
    return [
        edge["Source"] or "-",
        edge["Destination"] or "-",
        _DIRECTIONS.get(str(edge["Direction"]), str(edge["Direction"])),
        edge["Route"] or "-",
        f"{edge['RequestsPerSecond']:.1f}",
        f"{100 * (1 - edge['FailedShare']):.1f}" if asked else "-",
        duration(edge["P50Ms"]) if asked else "-",
        duration(edge["P99Ms"]) if asked else "-",
        str(edge["ConnectionsOpen"]),
        amount(edge["BytesReceivedPerSecond"]),
        amount(edge["BytesSentPerSecond"]),
        _rate(edge["DeniedPerSecond"]),
        _rate(edge["RetriesPerSecond"]),
    ]


def _rate(per_second: float) -> str:
    return f"{per_second:.1f}" if per_second else "0"
