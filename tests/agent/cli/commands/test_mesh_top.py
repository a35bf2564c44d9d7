"""Claims about mesh top."""

import json
import sys
import threading

import pytest

from agent.cli.commands.mesh_top import CLEAR, folded

PATH = "/v1/internal/mesh/edges"


def edge(**fields):
    usual = {
        "Proxy": "front-sidecar-proxy",
        "Direction": "outbound",
        "Source": "front",
        "Destination": "back",
        "Route": "resolver:back",
        "Cluster": "back.default.dc1",
        "Protocol": "http",
        "RequestsPerSecond": 12.34,
        "FailedShare": 0.005,
        "P50Ms": 1.25,
        "P99Ms": 1500.0,
        "ConnectionsOpen": 0,
        "ConnectionsPerSecond": 0.5,
        "BytesReceivedPerSecond": 812.0,
        "BytesSentPerSecond": 2048.0,
        "DeniedPerSecond": 0.25,
        "RetriesPerSecond": 0.0,
    }
    return usual | fields


SHOWN = """\
SOURCE  DESTINATION  VIA  ROUTE          RPS   OK%   P50    P99   CONNS  IN   OUT   DENIED  RETRIES
front   back         out  resolver:back  12.3  99.5  1.2ms  1.5s  0      812  2.0K  0.2     0
-       db           in   -              0.0   -     -      -     3      0    15M   0       0
"""


def test_edges_are_a_table_of_rates(agent, cli):
    stream = edge(
        Source="",
        Destination="db",
        Direction="inbound",
        Protocol="tcp",
        Route="",
        RequestsPerSecond=0.0,
        ConnectionsOpen=3,
        BytesReceivedPerSecond=0.0,
        BytesSentPerSecond=15.0 * 1024 * 1024,
        DeniedPerSecond=0.0,
    )
    agent.say("GET", PATH, [edge(), stream])

    result = cli("mesh", "top", "-source", "front", "-destination=back")

    assert (0, SHOWN) == (result.code, result.out)
    assert {"source": "front", "destination": "back"} == agent.requests[-1].query


def test_json_is_what_the_agent_says(agent, cli):
    agent.say("GET", PATH, [edge()])

    result = cli("mesh", "top", "-format=json")

    assert [edge()] == json.loads(result.out)


def test_connections_of_a_pair_are_shown_with_each_of_its_routes():
    bare = edge(Route="", RequestsPerSecond=0.0, ConnectionsOpen=4)
    routes = [edge(Route="a"), edge(Route="b")]

    shown = folded([bare, *routes])

    assert [("a", 4), ("b", 4)] == [(each["Route"], each["ConnectionsOpen"]) for each in shown]
    assert [bare] == folded([bare])


def test_terminal_is_drawn_again_until_it_is_stopped(agent, cli, monkeypatch):
    agent.say("GET", PATH, [edge()])
    drawn = []

    wait = threading.Event.wait

    def stop_after_two(event, timeout=None):
        if timeout != 3.0:
            return wait(event, timeout)  # threads start with one
        drawn.append(timeout)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(threading.Event, "wait", stop_after_two)

    result = cli("mesh", "top", "-interval=3s")

    assert (0, [3.0, 3.0]) == (result.code, drawn)
    assert 2 == result.out.count(CLEAR)
    assert 2 == result.out.count("front")


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("-format=xml", "-format must be one of pretty, json"),
        ("-interval=1ms", "-interval must be at least 0.2s"),
    ],
)
def test_bad_flag_is_named(agent, cli, flag, text):
    result = cli("mesh", "top", flag)

    assert 1 == result.code
    assert text in result.err
