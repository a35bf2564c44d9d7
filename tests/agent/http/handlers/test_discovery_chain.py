from collections.abc import AsyncIterator

import pytest

from tests.agent.connect.mesh import Mesh

CHAIN = "/v1/discovery-chain/web"


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    server = Mesh()
    await server.authority.start("consul", {})
    yield server
    await server.close()


async def test_chain_has_an_envelope_and_an_index(mesh):
    answer = await mesh.http("GET", CHAIN)

    assert answer.json["Chain"].service_name == "web"
    assert int(answer.headers["X-Consul-Index"]) >= 1
    assert answer.headers["X-Consul-Effective-Consistency"] == "leader"


async def test_caller_overrides_and_unknown_fields_do_not_matter(mesh):
    body = b'{"OverrideProtocol":"http","OverrideConnectTimeout":"7s","Other":1}'

    chain = (await mesh.http("POST", CHAIN, body)).json["Chain"]

    assert chain.protocol == "http"
    assert chain.customization_hash


@pytest.mark.parametrize(
    ("method", "target", "body", "text"),
    [
        ("GET", "/v1/discovery-chain/", b"", "Bad request: Missing chain name"),
        ("POST", "/v1/discovery-chain/", b"", "Bad request: Missing chain name"),
        ("POST", CHAIN, b"{", "Bad request: Request decoding failed: "),
        (
            "POST",
            CHAIN,
            b'{"OverrideMeshGateway":{"Mode":"x"}}',
            "Invalid OverrideMeshGateway.Mode parameter",
        ),
    ],
)
async def test_wrong_calls_are_refused(mesh, method, target, body, text):
    answer = await mesh.http(method, target, body)

    assert answer.status == 400
    assert answer.text.startswith(text)
