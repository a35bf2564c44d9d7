from proxy.connection import Facts
from proxy.edge_counts import BUCKETS_MS, EdgeCounter
from proxy.serving import Record

KEY = ("proxy", "outbound", "web", "api", "route", "cluster", "http")


def request(status: int, duration_ms: float, **fields: object) -> Record:
    return Record(
        started_s=1.0,
        ended_s=1.0 + duration_ms / 1000,
        facts=Facts(listener="l", remote="r"),
        status=status,
        **fields,  # type: ignore[arg-type] # as named
    )


def test_requests_are_counted_by_class_and_latency() -> None:
    counter = EdgeCounter()
    for status, duration_ms in ((200, 0.2), (204, 3.0), (503, 20_000.0), (0, 1.5)):
        counter.of(KEY).add_request(request(status, duration_ms))

    (counts,) = counter.take()

    assert {"2xx": 2, "5xx": 1, "reset": 1} == counts.classes
    assert (4, 4, len(BUCKETS_MS) + 1) == (
        counts.requests,
        sum(counts.latency_ms),
        len(counts.latency_ms),
    )
    assert (1, 1) == (counts.latency_ms[0], counts.latency_ms[-1])


def test_what_was_done_to_requests_is_counted() -> None:
    counter = EdgeCounter()
    counter.of(KEY).add_request(request(403, 1.0, flags=["denied"]))
    counter.of(KEY).add_request(request(429, 1.0, flags=["limited"], attempts=1))
    counter.of(KEY).add_request(request(503, 1.0, flags=["over-budget", "odd"], attempts=3))

    (counts,) = counter.take()

    assert (1, 1, 2, 1) == (
        counts.denied,
        counts.limited,
        counts.retries,
        counts.retries_over_budget,
    )


def test_open_connections_outlive_a_report() -> None:
    counter = EdgeCounter()
    counter.opened(KEY)
    counter.take()

    counter.of(KEY).add_request(request(200, 1.0))
    (counts,) = counter.take()
    assert (0, 1) == (counts.connections, counts.connections_open)
    counter.closed(KEY)

    (counts,) = counter.take()
    assert 0 == counts.connections_open
