"""What commands print: Consul's plain columns for programs, tables with colour for people.

Scripts cut the plain form by columns, so it is byte for byte Consul's: two spaces between
columns, the last one not padded. On a terminal the same rows become a rich table.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

COLUMN_GAP: Final = "  "
WIDE_GAP: Final = " " * 6  # key/value lists and ``catalog services -tags``

Row = Sequence[str]


def table(header: Row, rows: Sequence[Row]) -> None:
    """Print rows under a header."""
    if not sys.stdout.isatty():
        say(columns([header, *rows]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    pretty = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        pretty.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(pretty)


_STYLES: Final = {
    "alive": "green",
    "leader": "green",
    "allow": "green",
    "leaving": "yellow",
    "left": "yellow",
    "failed": "red",
    "deny": "red",
}


def columns(rows: Sequence[Row], gap: str = COLUMN_GAP) -> str:
    """Align cells; every column but the last is as wide as its widest cell."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append(gap.join([*padded, row[-1]]))
    return "\n".join(lines)


def say(text: str) -> None:
    """Print a line to standard output."""
    print(text)


def warn(text: str) -> None:
    """Print a line to standard error, in order with what standard output has."""
    sys.stdout.flush()
    print(text, file=sys.stderr)


def write(raw: bytes) -> None:
    """Print bytes as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def tabbed_json(value: Any) -> str:
    """JSON indented by tabs, as Consul's export and get-config print it."""
    return json.dumps(value, indent="\t", ensure_ascii=False)


def spaced_json(value: Any, *, width: int = 4) -> str:
    """JSON indented by spaces."""
    return json.dumps(value, indent=width, ensure_ascii=False)


def key_values(pairs: dict[str, str] | None, separator: str) -> str:
    """``a=1<separator>b=2`` sorted by key."""
    return separator.join(f"{key}={value}" for key, value in sorted((pairs or {}).items()))


def go_bool(*, value: bool) -> str:
    """``true`` or ``false``."""
    return "true" if value else "false"
