"""Claims about mesh tap."""

import json

import pytest

from agent.cli.commands.mesh_tap import lines, shown

PATH = "/v1/internal/mesh/tap"
REQUEST = {
    "At": "2026-01-02T03:04:05.678Z",
    "Proxy": "front-sidecar-proxy",
    "Direction": "outbound",
    "Source": "front",
    "Destination": "back",
    "Route": "resolver:back",
    "Cluster": "back.default.dc1",
    "Protocol": "http",
    "Peer": "127.0.0.1:4000",
    "Endpoint": "n1/back",
    "Method": "GET",
    "Host": "back",
    "Path": "/x?y",
    "Status": 503,
    "DurationMs": 12.3,
    "BytesReceived": 0,
    "BytesSent": 2048,
    "Attempts": 2,
    "Flags": ["retried"],
    "Detail": "connection refused",
    "TraceID": "ab12",
}
LINE = (
    "2026-01-02T03:04:05.678Z front => back [front-sidecar-proxy] GET back/x?y 503 12ms "
    "in 0 out 2.0K to n1/back attempts 2 retried (connection refused) trace ab12\n"
)


def body(*seen):
    return b"\n" + b"".join(json.dumps(each).encode() + b"\n" for each in seen)


def test_requests_are_a_line_each_until_the_agent_stops(agent, cli):
    agent.say("GET", PATH, body(REQUEST, REQUEST))

    result = cli("mesh", "tap", "-source=front", "-path=/x", "-status-min=500", "-share", "50")

    assert (0, LINE * 2) == (result.code, result.out)
    assert {"source": "front", "path": "/x", "status_min": "500", "share": "50"} == (
        agent.requests[-1].query
    )


def test_count_ends_it(agent, cli):
    agent.say("GET", PATH, body(REQUEST, REQUEST, REQUEST))

    result = cli("mesh", "tap", "-count=2", "-format=json")

    assert [REQUEST, REQUEST] == [json.loads(line) for line in result.out.splitlines()]


def test_what_was_dropped_is_said_beside(agent, cli):
    agent.say("GET", PATH, body({"Dropped": 7}, REQUEST))

    result = cli("mesh", "tap", "-count=1")

    assert LINE == result.out
    assert "7 requests were not shown" in result.err


def test_connection_is_shown_as_one():
    seen = {
        name: value
        for name, value in REQUEST.items()
        if name not in {"Method", "Host", "Path", "Status", "Flags", "Detail", "TraceID"}
    } | {"Endpoint": "", "Attempts": 1, "Source": ""}

    assert (
        "2026-01-02T03:04:05.678Z - => back [front-sidecar-proxy] connection 12ms in 0 out 2.0K"
        == shown(seen)
    )


def test_request_without_an_answer_has_no_status():
    seen = {name: value for name, value in REQUEST.items() if name != "Status"}

    assert " GET back/x?y - 12ms " in shown(seen)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_are_whole_however_they_arrive(size):
    text = b"\n{1}\n\n{22}\n{333"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]

    assert [b"{1}", b"{22}"] == list(lines(pieces))


def test_agent_without_proxies_is_an_error(agent, cli):
    agent.say("GET", PATH, b"No proxy is registered at this agent", status=404)

    result = cli("mesh", "tap")

    assert 1 == result.code
    assert "No proxy is registered at this agent" in result.err
