import logging

import pytest

from gossip.drops import DETAIL_CHARACTERS_MAX, LOG_INTERVAL_S, Drops
from gossip.wire.errors import Reason, WireError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_drop_is_counted_and_one_of_a_reason_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    drops = Drops("a", Clock())

    with caplog.at_level(logging.WARNING, "gossip"):
        for _ in range(1000):
            drops.refused("packet", WireError(Reason.MALFORMED, "not msgpack"))
        drops.count("send refused")

    assert {"packet malformed": 1000, "send refused": 1} == drops.counts
    assert ["a: packet malformed (1 times): not msgpack", "a: send refused (1 times): "] == [
        record.getMessage() for record in caplog.records
    ]


def test_next_line_tells_how_many_were_silent(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    drops = Drops("a", clock)
    for _ in range(5):
        drops.count("queue is long")
    caplog.clear()

    clock.now = LOG_INTERVAL_S
    drops.count("queue is long")

    assert ["a: queue is long (5 times): "] == [r.getMessage() for r in caplog.records]


def test_detail_from_the_network_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    Drops("a", Clock()).count("stream malformed", "x" * 10_000)

    assert len(caplog.records[0].getMessage()) < DETAIL_CHARACTERS_MAX + 100
