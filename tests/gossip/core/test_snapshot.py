"""Serf's snapshot file, written and read; damage never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.effects import AppendSnapshot, ReplaceSnapshot
from gossip.core.inputs import Leave, SendEvent
from gossip.core.snapshot import alive_line, replay
from gossip.core.types import Address, Dead
from tests.gossip.core.solo import Solo, address, alive, only

SIX = Address(bytes([0x20, 1, 0x0D, 0xB8]) + bytes(11) + b"\x01", 7946)
# What serf 0.9.4 writes.
SAMPLE = b"""\
alive: py 127.0.0.1:22700
clock: 2
alive: s1 127.0.0.2:22701
event-clock: 5
query-clock: 7
not-alive: py
coordinate: {"Vec":[0,0]}
# a comment
clock: 9
"""


def test_file_adds_up():
    result = replay(SAMPLE)

    assert {"s1": Address(bytes([127, 0, 0, 2]), 22701)} == result.alive
    assert (9, 5, 7, 0) == (
        result.time, result.event_time, result.query_time, result.unreadable_count,
    )  # fmt: skip


def test_name_may_hold_blanks_and_addresses_may_be_ipv6():
    content = f"alive: a b c [2001:db8::1]:7946\n{alive_line('d', address(4))}\n".encode()

    assert {"a b c": SIX, "d": address(4)} == replay(content).alive
    assert "alive: a b c [2001:db8::1]:7946" == alive_line("a b c", SIX)


def test_last_line_without_newline_is_ignored():
    assert 2 == replay(b"clock: 2\nclock: 99").time


@pytest.mark.parametrize(("rejoin", "names"), [(False, []), (True, ["b"])])
def test_leave_starts_afresh_unless_the_node_rejoins_after_leaving(rejoin, names):
    content = b"alive: b 10.0.0.2:7946\nclock: 8\nleave\n"
    result = replay(content, rejoin_after_leave=rejoin)

    assert (names, 8 if rejoin else 0) == (list(result.alive), result.time)


def test_tail_of_nul_bytes_hides_nothing():
    """consul#3362: what a power loss leaves behind."""
    content = b"clock: 2\n" + bytes(4096) + b"alive: a 1.2.3.4:1\n"

    assert ["a"] == list(replay(content).alive)


@pytest.mark.parametrize(
    "line",
    [
        "alive: a", "alive: a nowhere:1", "alive: a 1.2.3.4:x", "alive: a 1.2.3.4:70000",
        "alive:  1.2.3.4:1", "clock: x", "clock: -1", "clock: ²", "clock: " + "9" * 5000, "junk",
    ],
)  # fmt: skip
def test_unreadable_line_is_skipped_and_counted(line):
    result = replay(f"{line}\nclock: 3\n".encode())

    assert ({}, 3, 1) == (result.alive, result.time, result.unreadable_count)


def test_file_cut_anywhere_is_readable():
    for end in range(len(SAMPLE)):
        replay(SAMPLE[:end])


@given(st.binary(max_size=500))
def test_no_bytes_raise(content):
    replay(content)


@given(st.text(st.characters(exclude_characters="\n\0"), min_size=1, max_size=40), st.booleans())
def test_written_member_is_read_back(name, six):
    where = SIX if six else address(4)
    content = (alive_line(name, where) + "\n").encode(errors="replace")

    assert where == next(iter(replay(content).alive.values()))


def lines(effects) -> list[str]:
    return [line for effect in only(effects, AppendSnapshot) for line in effect.lines]


def recording(**settings) -> Solo:
    return Solo(snapshot=True, probe_interval_s=1e6, push_pull_interval_s=1e6, **settings)


def test_joins_failures_and_clocks_are_written_twice_a_second():
    one = recording()
    one.meet("b")
    one.step(SendEvent(1, "e", b""))
    first = one.advance(0.6)
    one.hear(Dead(1, "b", "c"))

    assert ["alive: a 10.0.0.1:7946", "alive: b 10.0.0.2:7946", "event-clock: 1"] == lines(first)
    assert ["not-alive: b"] == lines(one.advance(0.5))
    assert [] == lines(one.advance(5))


def test_leave_is_written_at_once_and_durably_then_only_clocks():
    one = recording()
    one.meet("b")
    one.advance(1)

    effects = one.step(Leave(2)) + one.advance(20)

    first = only(effects, AppendSnapshot)[0]
    assert (True, "leave") == (first.sync, first.lines[-1])
    assert all("clock: " in line for line in lines(effects)[len(first.lines) :])


def test_file_is_compacted_when_most_of_it_is_stale():
    one = recording()
    one.meet("b")
    effects = []
    for incarnation in range(2, 4000, 2):
        one.hear(Dead(incarnation, "b", "b"), alive("b", 2, incarnation + 1))
        if incarnation % 100 == 0:
            effects += one.advance(0.5)

    replaced = only(effects, ReplaceSnapshot)
    assert [] == replaced  # 4000 short lines are not worth it

    one.node._recorder._bytes = 128 * 1024
    one.hear(alive("c", 3))
    replaced = only(one.advance(0.5), ReplaceSnapshot)
    assert {"a", "b", "c"} == set(replay(("\n".join(replaced[0].lines) + "\n").encode()).alive)


def test_members_of_the_last_run_survive_a_compaction():
    one = recording(history=replay(SAMPLE))
    one.node._recorder._bytes = 128 * 1024
    one.advance(0.5)

    kept = replay(("\n".join(only(one.effects, ReplaceSnapshot)[0].lines) + "\n").encode())
    assert {"s1", "a"} == set(kept.alive)
    assert 5 == kept.event_time


def test_nothing_is_written_when_turned_off():
    one = Solo()
    one.meet("b")

    assert [] == only(one.advance(5), AppendSnapshot)
