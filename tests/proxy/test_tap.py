import pytest

from proxy.connection import Facts
from proxy.messages import Edge, Tap, Tapped
from proxy.serving import Record
from proxy.tap import SHOWN_PER_SECOND_MAX, TAPS_MAX, Taps, matches

EDGE = Edge(proxy="web-proxy", direction="outbound", source="web", destination="api")
RECORD = Record(
    started_s=1.0,
    ended_s=1.5,
    facts=Facts(listener="l", remote="1.2.3.4:5"),
    method="GET",
    path="/v1/x",
    status=503,
    flags=["overflow"],
)


class Watching:
    def __init__(self, drawn: float = 0.5) -> None:
        self.seen: list[Tapped] = []
        self.taps = Taps(self.seen.append, lambda: drawn)


def test_what_matches_is_shown_as_it_was() -> None:
    watching = Watching()
    watching.taps.set(Tap(number=7, destination="api"))

    watching.taps.offer(RECORD, EDGE, 100.0)

    (shown,) = watching.seen
    assert (7, EDGE, 503, 500.0, ("overflow",)) == (
        shown.tap,
        shown.edge,
        shown.status,
        shown.duration_ms,
        shown.flags,
    )


@pytest.mark.parametrize(
    "other",
    [
        Tap(number=1, proxy="db-proxy"),
        Tap(number=1, source="db"),
        Tap(number=1, destination="db"),
        Tap(number=1, path_prefix="/v2"),
        Tap(number=1, method="PUT"),
        Tap(number=1, status_min=504),
    ],
)
def test_each_condition_must_hold(other: Tap) -> None:
    assert not matches(other, RECORD, EDGE)
    assert matches(Tap(number=1, status_min=500, path_prefix="/v1"), RECORD, EDGE)


def test_a_share_is_shown() -> None:
    for drawn, count in ((0.05, 1), (0.95, 0)):
        watching = Watching(drawn)
        watching.taps.set(Tap(number=1, share=10.0))

        watching.taps.offer(RECORD, EDGE, 100.0)

        assert count == len(watching.seen)


def test_a_busy_proxy_floods_nobody() -> None:
    watching = Watching()
    watching.taps.set(Tap(number=1))

    for _ in range(SHOWN_PER_SECOND_MAX + 50):
        watching.taps.offer(RECORD, EDGE, 100.0)
    assert SHOWN_PER_SECOND_MAX == len(watching.seen)
    watching.taps.offer(RECORD, EDGE, 101.0)

    assert SHOWN_PER_SECOND_MAX + 1 == len(watching.seen)


def test_a_tap_ends() -> None:
    watching = Watching()
    for number in range(TAPS_MAX + 5):
        watching.taps.set(Tap(number=number))
    watching.taps.set(Tap(number=0, stop=True))
    watching.taps.offer(RECORD, EDGE, 100.0)
    assert TAPS_MAX - 1 == len(watching.seen)

    watching.taps.clear()

    assert watching.taps.is_idle
