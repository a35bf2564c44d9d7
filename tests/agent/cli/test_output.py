"""Claims about columns, and about terminals."""

import io
import sys

from hypothesis import given
from hypothesis import strategies as st

from agent.cli.output import columns, table

CELL = st.text(st.characters(categories=("L", "N")), max_size=8)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1)
    )
)
def test_every_column_starts_at_one_place_in_all_rows(rows):
    widths = [max(len(row[at]) for row in rows) + 2 for at in range(len(rows[0]) - 1)]

    for row, line in zip(rows, columns(rows).split("\n"), strict=True):
        start = 0
        for cell, width in zip(row, widths, strict=False):
            assert line[start : start + width] == cell.ljust(width)
            start += width
        assert line[start:] == row[-1]


def test_terminal_gets_a_table_with_the_same_cells(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")

    table(["Node", "Status"], [["n[1]", "alive"]])

    assert "n[1]" in terminal.getvalue()
    assert "alive" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
