"""Claims about columns, and about terminals."""

import io
import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from agent.cli.output import busy, columns, table


class Terminal(io.StringIO):
    def isatty(self):
        return True


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


def test_terminal_gets_colour_and_no_cell_is_cut(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    long = "n[1]" + "x" * 40

    table(["Node", "Status"], [[long, "alive"]])

    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert plain != terminal.getvalue()
    assert [line.split() for line in plain.splitlines()] == [["Node", "Status"], [long, "alive"]]


def test_spinner_is_for_terminals_only(monkeypatch, capsys):
    with busy("Working"):
        pass
    assert capsys.readouterr().err == ""

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with busy("Working"):
        pass
    assert "Working" in terminal.getvalue()
