"""What commands print: Consul's plain columns for programs, the same in colour for people.

Scripts cut the plain form by columns, so it is byte for byte Consul's: two spaces between
columns, the last one not padded. On a terminal rich adds colour; NO_COLOR turns it off.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    from rich.text import Text

    console = Console()
    widths = _widths([header, *rows])
    for number, row in enumerate([header, *rows]):
        cells = [
            Text(cell.ljust(width), style="bold" if number == 0 else _STYLES.get(cell, ""))
            for cell, width in zip(row, widths, strict=True)
        ]
        # Soft wrap: an address or ID that was cut to fit the terminal could not be used.
        console.print(Text(COLUMN_GAP).join(cells), soft_wrap=True)


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
    widths = _widths(rows)
    lines = []
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append(gap.join([*padded, row[-1]]))
    return "\n".join(lines)


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]


def say(text: str) -> None:
    """Print a line to standard output."""
    print(text)


def warn(text: str) -> None:
    """Print a line to standard error, in order with what standard output has."""
    sys.stdout.flush()
    print(text, file=sys.stderr)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show ``what`` with a spinner on a terminal's standard error while the work goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


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
