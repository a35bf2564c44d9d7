"""/v1/internal/ui/service-topology, on a whole agent."""

import json

import pytest

from agent.mesh.edges import Rates
from proxy.messages import Edge
from tests.agent.harness import House, within

PATH = "/v1/internal/ui/service-topology/back"


class Seen:
    """A view that has seen front call back."""

    def between(self, source: str, destination: str) -> Rates | None:
        if (source, destination) != ("front", "back"):
            return None
        return Rates(
            edge=Edge(proxy="", direction="outbound", source=source, destination=destination),
            requests_per_s=12.34567,
            failed_share=0.5,
            p50_ms=1.0,
            p99_ms=9.87654,
            connections_open=2,
            connections_per_s=0.1,
            bytes_received_per_s=10.0,
            bytes_sent_per_s=20.0,
            denied_per_s=0.0,
            retries_per_s=0.0,
        )


@pytest.fixture
async def mesh(house: House) -> House:
    upstreams = [{"DestinationName": "back", "LocalBindPort": 9191}]
    proxy = {"DestinationServiceName": "front", "Upstreams": upstreams}
    for service in (
        {"Service": "front"},
        {"Service": "back"},
        {"Kind": "connect-proxy", "Service": "front-proxy", "Port": 1, "Proxy": proxy},
    ):
        body = json.dumps({"Node": "n1", "Address": "a", "Service": service}).encode()
        answer = await house.ask("PUT", "/v1/catalog/register", body)
        assert 200 == answer.status, answer.body
    return house


async def test_without_traffic_there_are_no_metrics(mesh: House) -> None:
    answer = await within(mesh.ask("GET", f"{PATH}?kind="))

    assert 200 == answer.status
    (front,) = answer.json["Downstreams"]
    assert "front" == front["Name"]
    assert "Metrics" not in front
    assert int(answer.headers["x-consul-index"]) > 0


async def test_edges_have_what_was_carried(mesh: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh.agent.services, "mesh_view", Seen)

    (front,) = (await within(mesh.ask("GET", f"{PATH}?kind="))).json["Downstreams"]
    path = "/v1/internal/ui/service-topology/front?kind="
    (back,) = (await within(mesh.ask("GET", path))).json["Upstreams"]

    assert front["Metrics"] == back["Metrics"]
    assert {
        "SeenBy": "outbound",
        "RequestsPerSecond": 12.346,
        "FailedShare": 0.5,
        "P50Ms": 1.0,
        "P99Ms": 9.877,
        "ConnectionsOpen": 2,
        "BytesReceivedPerSecond": 10.0,
        "BytesSentPerSecond": 20.0,
    } == front["Metrics"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (PATH, b"Missing service kind"),
        (f"{PATH}?kind=mesh-gateway", b'Unsupported service kind "mesh-gateway"'),
        ("/v1/internal/ui/service-topology/?kind=", b"Missing service name"),
    ],
)
async def test_bad_question_is_refused(house: House, target: str, text: bytes) -> None:
    answer = await within(house.ask("GET", target))

    assert (400, text) == (answer.status, answer.body)
