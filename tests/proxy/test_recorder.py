from pathlib import Path
from random import Random
from typing import Any

import msgspec

from proxy.api import AccessLog, Tracing
from proxy.chain_serving import ChainServing, ProxyState
from proxy.connection import Facts
from proxy.edge_counts import EDGES_MAX
from proxy.http import RequestHead
from proxy.messages import Edge, Tap
from proxy.recorder import OUTPUTS_MAX
from proxy.serving import Record, Recorder
from tests.proxy.fakes import Fakes, chain, listener, proxy
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


def test_a_connection_ends_where_it_was_opened_though_its_names_are_others_now() -> None:
    fakes = Fakes()
    recorder = serving_of(fakes).recorder
    told = record()
    recorder.opened(told)

    told.cluster = "other"
    recorder.closed(told)

    assert {0} == {counts.connections_open for counts in fakes.recording.take()[0]}
    recorder.opened(record())
    assert [1] == [counts.connections_open for counts in fakes.recording.take()[0]]


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


def head(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(
        method=b"GET", scheme=b"http", authority=b"web", target=b"/", headers=list(headers)
    )


TRACED = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def test_without_a_collector_a_trace_is_passed_on_as_it_came() -> None:
    recorder, request, seen = serving_of(Fakes(), protocol="http").recorder, head(TRACED), record()

    recorder.trace(request, seen)

    assert [TRACED] == request.headers
    assert ("4bf92f3577b34da6a3ce929d0e0e4736", "") == (seen.trace_id, seen.span_id)


def test_without_a_trace_and_a_collector_nothing_is_touched() -> None:
    recorder, request, seen = serving_of(Fakes(), protocol="http").recorder, head(), record()

    recorder.trace(request, seen)

    assert ([], "") == (request.headers, seen.trace_id)


def test_with_a_collector_the_next_hop_is_told_of_the_own_span() -> None:
    recorder = recorder_of(tracing=Tracing(otlp_url="http://127.0.0.1:9"))
    for request in (head(TRACED), head()):
        seen = record()

        recorder.trace(request, seen)

        ((name, value),) = request.headers
        assert (b"traceparent", f"00-{seen.trace_id}-{seen.span_id}-01".encode()) == (name, value)


def test_all_bits_of_an_id_are_drawn() -> None:
    fakes = Fakes()
    fakes.recording.random = Random(1).random
    recorder = recorder_of(fakes, tracing=Tracing(otlp_url="http://127.0.0.1:9"))
    ends = set()
    for _ in range(64):
        seen = record()
        recorder.trace(head(), seen)
        assert (32, 16) == (len(seen.trace_id), len(seen.span_id))
        ends |= {seen.trace_id[-2:], seen.span_id[-2:]}

    assert len(ends) > 64


def test_what_has_ended_is_logged_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    fakes = Fakes()
    recorder = recorder_of(fakes, access_log=AccessLog(kind="file", path=str(path)))
    fakes.recording.tap(Tap(number=3))

    recorder.finished(record(protocol="http", method="GET", status=200))
    fakes.recording.flush()

    assert 1 == len(path.read_text().splitlines())
    assert [3] == [shown.tap for shown in fakes.tapped]
    fakes.recording.close()


def recorder_of(fakes: Fakes | None = None, **fields: Any) -> Recorder:
    told = msgspec.structs.replace(proxy(), **fields)
    made = fakes or Fakes()
    return ChainServing(ProxyState(told), listener(), chain(protocol="http"), made.around).recorder


def test_logs_of_older_configurations_are_let_go(tmp_path: Path) -> None:
    recording = Fakes().recording
    wanted = [AccessLog(kind="file", path=str(tmp_path / str(n))) for n in range(OUTPUTS_MAX + 5)]

    for log in wanted:
        recording.log(log, record(), 1.0)
    recording.log(wanted[0], record(), 1.0)
    recording.close()

    assert OUTPUTS_MAX == len(recording._logs)
    assert 2 == len(Path(wanted[0].path).read_text().splitlines())
