"""Rows of the commands that look at what the mesh carries, and who carries it."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.mesh import GROUP
from agent.cli.rows.shared import FORMAT

_EDGES: Final = (
    Flag("source", "Only traffic of this service."),
    Flag("destination", "Only traffic to this service."),
    Flag("proxy", "Only traffic of the proxy with this id."),
)

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "mesh top",
        GROUP,
        "Show who calls whom through the agent's proxies",
        "mesh_top:top",
        flags=(
            *_EDGES,
            Flag("interval", "How often to show it anew.", Kind.DURATION, "2s"),
            Flag("watch", "Show it again and again; the default on a terminal.", Kind.SWITCH),
            FORMAT,
        ),
        notes="Rates are per second, of the last minute. VIA tells which end's proxy saw it.",
    ),
    Command(
        "mesh tap",
        GROUP,
        "Show requests as they pass the agent's proxies",
        "mesh_tap:tap",
        flags=(
            *_EDGES,
            Flag("path", "Only requests whose path begins so."),
            Flag("method", "Only requests with this method."),
            Flag("status-min", "Only requests with at least this status; 500 shows failures."),
            Flag("share", "Percent of the requests to show.", default="100"),
            Flag("count", "End after so many; 0 is never.", Kind.COUNT, "0"),
            FORMAT,
        ),
    ),
    Command(
        "mesh proxies",
        GROUP,
        "List the agent's proxies and how they are served",
        "mesh_proxies:proxies",
        flags=(
            Flag("detailed", "Show listeners and instances too.", Kind.SWITCH),
            FORMAT,
        ),
        notes="Exits with 1 when one of them is not served, waits for its configuration, or fails.",
    ),
    Command(
        "mesh upgrade",
        GROUP,
        "Replace the worker processes that serve the agent's proxies",
        "mesh_upgrade:upgrade",
        notes="Connections go on: the new processes take the listening sockets, the old ones drain."
        " An agent that is restarted with another version does the same by itself.",
    ),
)
