"""What an operator sees of a mesh: metrics, top, tap, logs, traces, topology, of real calls."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.agent_process import LOOPBACK, ROOT, AgentProcess, wait_until
from tests.system.mesh_site import (
    Line,
    Sidecar,
    app,
    calling,
    echo,
    intend,
    register,
    speak,
    write_entry,
)

pytestmark = pytest.mark.system

TELEMETRY = 'telemetry { prometheus_retention_time = "60s" disable_hostname = true }'
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
EDGE = {"source": "front", "destination": "back"}
CALLS = 20


@pytest.fixture(scope="module")
def collector() -> Iterator["Collector"]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "access.log"


@pytest.fixture(scope="module")
def agent(
    tmp_path_factory: pytest.TempPathFactory, collector: "Collector", log: Path
) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path_factory.mktemp("agent"), "-hcl", TELEMETRY).start()
    try:
        logs = {"Enabled": True, "Type": "file", "Path": str(log)}
        config = {"otlp_url": collector.url, "trace_sample_percent": 0}
        write_entry(agent, "proxy-defaults", "global", Config=config, AccessLogs=logs)
        yield agent
    finally:
        agent.stop()


@pytest.fixture(scope="module")
def front(agent: AgentProcess) -> Iterator[Sidecar]:
    """It calls back, in HTTP."""
    speak(agent, "http", "front", "back")
    with app("b1") as backend:
        register(agent, "back", backend.port)
        made = register(agent, "front", 1, upstreams=["back"])
        made.wait_reach("back")
        yield made


class Collector:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in json.loads(body)["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        collector.spans += scope["spans"]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output quiet."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def of(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace."""
        return [span for span in self.spans if span["traceId"] == trace_id]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def samples(agent: AgentProcess, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """The values of a metric with these labels, by the name and what other labels they have."""
    text = agent.get("/v1/agent/metrics?format=prometheus").text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if family.name == name and labels.items() <= sample.labels.items():
                others = [value for key, value in sample.labels.items() if key not in labels]
                found[sample.name, *others] = sample.value
    return found


def value(agent: AgentProcess, name: str, **labels: str) -> float:
    """The sum of a metric over the labels that are not given."""
    return sum(samples(agent, name, **labels).values())


def told(agent: AgentProcess, *words: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(agent.run(*words, "-format=json").stdout)


def test_requests_are_metrics_with_a_histogram(agent: AgentProcess, front: Sidecar) -> None:
    requests = {**EDGE, "direction": "outbound", "class": "2xx"}
    before = value(agent, "consul_mesh_requests", **requests)
    for _ in range(CALLS):
        assert 200 == front.call("back").status

    wait_until(
        lambda: value(agent, "consul_mesh_requests", **requests) >= before + CALLS,
        what="the requests are counted",
    )

    assert value(agent, "consul_mesh_requests", **EDGE, direction="inbound") >= CALLS
    buckets = samples(agent, "consul_mesh_request_duration_ms", **EDGE, direction="outbound")
    by_bound = {key[-1]: number for key, number in buckets.items() if key[0].endswith("_bucket")}
    (count,) = (number for key, number in buckets.items() if key[0].endswith("_count"))
    assert by_bound["+Inf"] == count >= CALLS
    assert sorted(by_bound.values()) == list(by_bound.values())
    assert value(agent, "consul_mesh_bytes_sent", **EDGE, direction="outbound") > 0
    for proxy in ("front-sidecar-proxy", "back-sidecar-proxy"):
        assert 1 == value(agent, "consul_mesh_proxy_workers", proxy=proxy)
        assert 0 == value(agent, "consul_mesh_proxy_faults", proxy=proxy)
        assert 0 == value(agent, "consul_mesh_proxy_config_pending_s", proxy=proxy)
    assert value(agent, "consul_mesh_worker_resident_bytes") > 1_000_000


def test_metrics_are_in_the_api_of_the_agent_too(agent: AgentProcess, front: Sidecar) -> None:
    with calling(front.upstreams["back"]):

        def counted() -> bool:
            shown = agent.get("/v1/agent/metrics").json
            names = {each["Name"] for each in (*shown["Counters"], *shown["Samples"])}
            return {"consul.mesh.requests", "consul.mesh.request_duration_ms"} <= names

        wait_until(counted, timeout_s=30.0, what="an interval with requests")


def test_top_shows_who_calls_whom(agent: AgentProcess, front: Sidecar) -> None:
    with calling(front.upstreams["back"]):
        both = wait_until(
            lambda: (
                edges if len(edges := told(agent, "mesh", "top", "-source=front")) >= 2 else None
            ),
            what="both ends are shown",
        )
        text = agent.run("mesh", "top", "-source=front").stdout.decode()

    assert {"outbound", "inbound"} == {edge["Direction"] for edge in both}
    busiest = both[0]
    assert ("front", "back") == (busiest["Source"], busiest["Destination"])
    assert busiest["RequestsPerSecond"] > 0
    assert 0 < busiest["P50Ms"] <= busiest["P99Ms"]
    header, first, *_ = text.splitlines()
    assert header.startswith("SOURCE  DESTINATION  VIA  ROUTE")
    assert first.split()[:2] == ["front", "back"]
    assert [] == told(agent, "mesh", "top", "-source=nobody")


def test_tap_shows_requests_while_they_pass(agent: AgentProcess, front: Sidecar) -> None:
    with tapping(agent, "-source=front", "-path=/tapped", "-method=post", "-count=2") as tap:
        ending = threading.Event()

        def ask() -> None:
            while not ending.wait(0.05):
                front.call("back", "/other")
                front.call("back", "/tapped?x=1", method="POST", body=b"four")

        caller = threading.Thread(target=ask)
        caller.start()
        try:
            output, _ = tap.communicate(timeout=30)
        finally:
            ending.set()
            caller.join()

    lines = [json.loads(line) for line in output.splitlines()]
    assert 2 == len(lines)
    assert {("POST", "/tapped?x=1", 200, 4)} == {
        (each["Method"], each["Path"], each["Status"], each["BytesReceived"]) for each in lines
    }


@contextmanager
def tapping(agent: AgentProcess, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """``mesh tap`` beside the test."""
    command = [sys.executable, "-m", "agent.main", "mesh", "tap", "-format=json", *words]
    environment = os.environ | {"CONSUL_HTTP_ADDR": agent.http_address}
    tap = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    try:
        yield tap
    finally:
        tap.kill()
        tap.wait()


def test_proxies_are_listed_as_serving(agent: AgentProcess, front: Sidecar) -> None:
    listed = agent.run("mesh", "proxies")

    assert 0 == listed.returncode, listed.stdout
    states = {line.split()[0]: line.split()[-1] for line in listed.stdout.decode().splitlines()[1:]}
    assert "serving" == states["front-sidecar-proxy"] == states["back-sidecar-proxy"]


def test_requests_are_logged_as_json(front: Sidecar, log: Path) -> None:
    front.call("back", "/logged")

    def lines() -> list[Any]:
        every = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in every if line["path"] == "/logged"]

    both = wait_until(lambda: found if len(found := lines()) == 2 else None, what="two lines")

    for line in both:
        assert ("front", "back", "GET", 200) == (
            line["source"],
            line["destination"],
            line["method"],
            line["response_code"],
        )


def test_trace_reaches_the_backend_and_the_collector(front: Sidecar, collector: Collector) -> None:
    answer = front.call("back", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})

    headers = {name.lower(): text for name, text in answer.seen["headers"]}
    version, trace_id, parent_id, flags = headers["traceparent"].split("-")
    assert ("00", TRACE_ID, "01") == (version, trace_id, flags)
    spans = wait_until(
        lambda: found if len(found := collector.of(TRACE_ID)) == 2 else None,
        timeout_s=30.0,
        what="the spans of both proxies",
    )
    by_parent = {span["parentSpanId"]: span for span in spans}
    outbound = by_parent[PARENT_ID]
    inbound = by_parent[outbound["spanId"]]
    assert inbound["spanId"] == parent_id
    client, server = 3, 2
    assert (client, server) == (outbound["kind"], inbound["kind"])


def test_b3_trace_is_passed_on_as_b3(front: Sidecar) -> None:
    trace_id = TRACE_ID[::-1]
    sent = {"X-B3-TraceId": trace_id, "X-B3-SpanId": PARENT_ID, "X-B3-Sampled": "0"}

    answer = front.call("back", headers=sent)

    headers = {name.lower(): text for name, text in answer.seen["headers"]}
    assert (trace_id, "0") == (headers["x-b3-traceid"], headers["x-b3-sampled"])


def test_topology_has_what_is_carried(agent: AgentProcess, front: Sidecar) -> None:
    path = "/v1/internal/ui/service-topology"
    with calling(front.upstreams["back"]):

        def seen() -> Any:
            (back,) = agent.get(f"{path}/front?kind=").json["Upstreams"]
            return back if back.get("Metrics", {}).get("RequestsPerSecond", 0) > 0 else None

        back = wait_until(seen, what="the edge has metrics")
        topology = agent.get(f"{path}/back?kind=").json

    assert ("back", True) == (back["Name"], back["Intention"]["Allowed"])
    assert "outbound" == back["Metrics"]["SeenBy"]
    assert ("http", ["front"]) == (
        topology["Protocol"],
        [each["Name"] for each in topology["Downstreams"]],
    )


def test_denied_requests_are_counted_as_denied(agent: AgentProcess, front: Sidecar) -> None:
    denied = {**EDGE, "direction": "inbound"}
    before = value(agent, "consul_mesh_denied", **denied)
    intend(agent, "front", "back", "deny")
    try:
        wait_until(lambda: front.call("back").status == 403, what="the intention is in force")

        wait_until(
            lambda: value(agent, "consul_mesh_denied", **denied) > before,
            what="the denial is counted",
        )
        edges = told(agent, "mesh", "top", "-source=front")
        assert any(edge["DeniedPerSecond"] > 0 for edge in edges)
        topology = agent.get("/v1/internal/ui/service-topology/front?kind=").json
        assert not topology["Upstreams"][0]["Intention"]["Allowed"]
    finally:
        intend(agent, "front", "back", "allow")
        front.wait_reach("back")


def test_connections_are_counted_open_and_by_bytes(agent: AgentProcess) -> None:
    edge = {"source": "caller", "destination": "wire", "direction": "outbound"}
    with echo() as port:
        register(agent, "wire", port)
        caller = register(agent, "caller", 1, upstreams=["wire"])
        wait_until(
            lambda: _echoes(caller.upstreams["wire"]), timeout_s=30.0, what="the wire carries"
        )
        with Line(caller.upstreams["wire"]) as line:
            assert b"hello" == line.ask(b"hello")
            wait_until(
                lambda: value(agent, "consul_mesh_connections_open", **edge) == 1,
                what="one connection is open",
            )
        wait_until(
            lambda: value(agent, "consul_mesh_connections_open", **edge) == 0,
            what="no connection is open",
        )
        intend(agent, "caller", "wire", "deny")
        refused = {**edge, "direction": "inbound"}
        wait_until(
            lambda: (
                not _echoes(caller.upstreams["wire"])
                and value(agent, "consul_mesh_denied", **refused) > 0
            ),
            what="a refused connection is counted",
        )

    assert value(agent, "consul_mesh_bytes_received", **edge) >= len(b"hello")
    assert value(agent, "consul_mesh_connections", **edge) >= 2


def _echoes(port: int) -> bool:
    try:
        with Line(port) as line:
            return line.ask(b"x") == b"x"
    except OSError:
        return False
