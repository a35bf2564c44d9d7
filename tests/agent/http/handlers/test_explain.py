"""/v1/internal/mesh/explain, on a whole agent."""

import json

import pytest

from tests.agent.harness import House, within

PATH = "/v1/internal/mesh/explain?source=front&destination=back"


def sidecar(name: str, **proxy: object) -> bytes:
    body = {
        "Node": "n1",
        "Address": "10.0.0.1",
        "Service": {
            "Kind": "connect-proxy",
            "ID": f"{name}-sidecar-proxy",
            "Service": f"{name}-sidecar-proxy",
            "Port": 21000,
            "Proxy": {"DestinationServiceName": name, **proxy},
        },
    }
    return json.dumps(body).encode()


@pytest.fixture
async def mesh(house: House) -> House:
    agent = house.agent
    await agent.server.authority.start("consul", {})
    upstreams = [{"DestinationName": "back", "LocalBindPort": 9191}]
    for body in (sidecar("front", Upstreams=upstreams), sidecar("back")):
        answer = await house.ask("PUT", "/v1/catalog/register", body)
        assert 200 == answer.status
    return house


async def test_a_request_is_explained_from_the_catalog(mesh: House) -> None:
    answer = await within(mesh.ask("GET", PATH))

    assert 200 == answer.status
    (share,) = answer.json["Shares"]
    assert "back.default.dc1" == share["Cluster"]
    assert share["Verdict"]["Allowed"]
    assert ["n1/back-sidecar-proxy"] == [each["ID"] for each in share["Groups"][0]["Instances"]]
    assert answer.json["Certificate"]["URI"].endswith("/svc/front")
    assert not answer.json["Certificate"]["Local"]


async def test_a_source_without_a_proxy_is_not_found(mesh: House) -> None:
    answer = await mesh.ask("GET", PATH.replace("front", "nobody"))

    assert (404, b"no proxy of service 'nobody' is registered") == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/v1/internal/mesh/explain?source=a", b"Missing query parameter 'destination'"),
        (f"{PATH}&path=x", b"Query parameter 'path' must start with '/'"),
        (f"{PATH}&header=x", b"Query parameter 'header' must be name:value"),
    ],
)
async def test_a_bad_question_is_refused_by_name(house: House, target: str, text: bytes) -> None:
    answer = await house.ask("GET", target)

    assert 400 == answer.status
    assert text in answer.body
