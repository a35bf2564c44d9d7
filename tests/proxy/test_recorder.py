from proxy.connection import Facts
from proxy.messages import Edge
from proxy.recorder import EDGES_MAX
from proxy.serving import Record
from tests.proxy.fakes import Fakes
from tests.proxy.test_chain_serving import serving_of

FACTS = Facts(listener="public", remote="1.2.3.4:5")


def record(**fields: object) -> Record:
    names = {"source": "api", "destination": "web", "cluster": "app"}
    return Record(started_s=1.0, facts=FACTS, **{**names, **fields})  # type: ignore[arg-type] # as named


def test_a_connection_is_counted_with_its_bytes() -> None:
    fakes = Fakes()
    recorder = serving_of(fakes).recorder
    edge = Edge(proxy="web", direction="inbound", source="api", destination="web", cluster="app")

    recorder.opened(record())
    ((counts,), failures) = fakes.recording.take()
    assert (edge, 1, 1) == (counts.edge, counts.connections, counts.connections_open)
    assert {} == failures

    recorder.closed(record(bytes_sent=5, bytes_received=7))
    ((counts,), _) = fakes.recording.take()
    assert (0, 0, 5, 7) == (
        counts.connections,
        counts.connections_open,
        counts.bytes_sent,
        counts.bytes_received,
    )
    assert ((), {}) == fakes.recording.take()


def test_requests_and_failed_handshakes_are_counted() -> None:
    fakes = Fakes()
    recorder = serving_of(fakes, protocol="http").recorder

    recorder.finished(record(protocol="http"))
    recorder.handshake_failed(FACTS, "unknown ca")
    ((counts,), failures) = fakes.recording.take()

    assert 1 == counts.requests
    assert {"web": {"unknown ca": 1}} == failures


def test_too_many_edges_are_counted_together() -> None:
    fakes = Fakes()
    recorder = serving_of(fakes).recorder
    for number in range(EDGES_MAX + 10):
        recorder.finished(record(source=f"s{number}"))

    edges, _ = fakes.recording.take()

    assert EDGES_MAX + 1 == len(edges)
    assert EDGES_MAX + 10 == sum(counts.requests for counts in edges)
