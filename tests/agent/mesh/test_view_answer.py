from agent.mesh.edges import Edges
from agent.mesh.feed_server import ProxyState
from agent.mesh.view_answer import edge_seen, proxy_seen, request_seen
from catalog.shape import to_json
from proxy.api import Listener, ProxyConfig
from proxy.messages import Edge, EdgeCounts, Report, Tapped

EDGE = Edge(proxy="p", direction="inbound", source="web", destination="api", route="r", cluster="c")


def test_edge_is_shown_with_names_rates_and_totals() -> None:
    edges = Edges()
    counts = EdgeCounts(edge=EDGE, connections=2, connections_open=1, bytes_sent=100)
    edges.take(1, Report(at_s=0.0, edges=(counts,)), 10.0)
    ((edge, totals),), (rates,) = edges.totals(), edges.rates(10.0)

    shown = to_json(edge_seen(edge, totals, rates))

    assert {
        "Proxy": "p",
        "Direction": "inbound",
        "Source": "web",
        "Destination": "api",
        "Route": "r",
        "Cluster": "c",
        "Protocol": "tcp",
        "RequestsPerSecond": 0.0,
        "FailedShare": 0.0,
        "P50Ms": 0.0,
        "P99Ms": 0.0,
        "ConnectionsOpen": 1,
        "ConnectionsPerSecond": 2.0,
        "BytesReceivedPerSecond": 0.0,
        "BytesSentPerSecond": 100.0,
        "DeniedPerSecond": 0.0,
        "RetriesPerSecond": 0.0,
    } == {name: value for name, value in shown.items() if name != "Totals"}
    assert (2, 100) == (shown["Totals"]["Connections"], shown["Totals"]["BytesSent"])


def test_proxy_is_shown_with_the_fault_of_its_listener() -> None:
    listener = Listener(name="public", direction="inbound", path="/run/a.sock")
    config = ProxyConfig(id="p", service="web", listeners=(listener,))
    state = ProxyState(
        id="p", version=3, workers=1, pending_s=1.25, age_s=9.0, faults={"public": "in use"}
    )

    shown = to_json(proxy_seen(config, state, {}, {}))

    assert (3, 1, 1.25, 9.0) == (
        shown["Version"],
        shown["Workers"],
        shown["PendingS"],
        shown["AgeS"],
    )
    assert [
        {
            "Name": "public",
            "Direction": "inbound",
            "Address": "/run/a.sock",
            "Protocol": "",
            "Fault": "in use",
        }
    ] == shown["Listeners"]


def test_connection_is_shown_without_what_only_requests_have() -> None:
    tapped = Tapped(tap=1, at_s=1.0, edge=EDGE, peer="1.2.3.4:5", duration_ms=1.23456)

    shown = to_json(request_seen(tapped))

    assert {"Method", "Path", "Status", "Flags", "TraceID", "PeerURI"}.isdisjoint(shown)
    assert ("1970-01-01T00:00:01.000Z", 1.235) == (shown["At"], shown["DurationMs"])


def test_request_is_shown_with_why_it_went_wrong() -> None:
    tapped = Tapped(
        tap=1, at_s=1.0, edge=EDGE, method="GET", status=403, flags=("denied",), detail="default"
    )

    shown = to_json(request_seen(tapped))

    assert (["denied"], "default", 403) == (shown["Flags"], shown["Detail"], shown["Status"])
