"""Source: Consul API, intentions; the texts are those of 1.9.8."""

from collections.abc import AsyncIterator

import pytest

from tests.agent.connect.mesh import Mesh

EXACT = "/v1/connect/intentions/exact"
BASE = "/v1/connect/intentions"
UNKNOWN = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    server = Mesh()
    await server.authority.start("consul", {})
    yield server
    await server.close()


async def test_intention_of_two_names_is_set_shown_and_removed(mesh):
    place = f"{EXACT}?source=default/a&destination=b"

    put = await mesh.http("PUT", place, b'{"Action":"allow","SourceName":"other"}')
    shown = await mesh.http("GET", place)
    removed = await mesh.http("DELETE", place)

    assert (put.json, removed.json) == (True, True)
    assert (shown.json.source_name, shown.json.action) == ("a", "allow")
    assert (await mesh.http("GET", place)).status == 404


async def test_intention_with_an_id_is_made_replaced_and_removed(mesh):
    body = b'{"SourceName":"a","DestinationName":"b","Action":"%s"}'
    made = await mesh.http("POST", BASE, body % b"allow")
    place = f"{BASE}/{made.json['ID']}"

    replaced = await mesh.http("PUT", place, body % b"deny")

    assert made.json == replaced.json
    assert (await mesh.http("GET", place)).json.action == "deny"
    assert [made.json["ID"]] == [row.id for row in (await mesh.http("GET", BASE)).json]
    assert (await mesh.http("DELETE", place)).json is True


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "text"),
    [
        ("GET", f"{BASE}/", b"", 404, "Intention not found"),
        ("GET", f"{BASE}/{UNKNOWN}", b"", 404, "Intention not found"),
        ("GET", f"{BASE}/x", b"", 400, "Bad request: failed config entry lookup: "),
        ("PUT", f"{BASE}/x", b"{}", 500, "Intention lookup failed: failed config entry lookup: "),
        ("DELETE", f"{BASE}/x", b"", 500, "Intention lookup failed: "),
        ("DELETE", f"{BASE}/{UNKNOWN}", b"", 500, "Cannot delete non-existent intention: '1"),
        ("POST", BASE, b"{", 500, "Failed to decode request body: "),
        ("PUT", f"{EXACT}?source=a&destination=b", b"{", 400, "Bad request: Request decode failed"),
        ("GET", EXACT, b"", 500, "required query parameter 'source' not set"),
        ("GET", f"{EXACT}?source=a", b"", 500, "required query parameter 'destination' not set"),
        ("GET", f"{EXACT}?source=a/b/c&destination=b", b"", 500, 'source "a/b/c" is invalid'),
        ("GET", f"{BASE}/match?name=x", b"", 500, "required query parameter 'by' not set"),
        ("GET", f"{BASE}/match?by=x&name=x", b"", 500, "'by' parameter must be one of"),
        ("GET", f"{BASE}/match?by=source", b"", 500, "required query parameter 'name' not set"),
        (
            "GET",
            f"{BASE}/check?source=a&destination=b&source-type=x",
            b"",
            500,
            'unsupported SourceType: "x"',
        ),
    ],
)
async def test_wrong_calls_are_refused(mesh, method, target, body, status, text):
    answer = await mesh.http(method, target, body)

    assert status == answer.status
    assert answer.text.startswith(text)


async def test_match_and_check_answer_for_names(mesh):
    await mesh.http("PUT", f"{EXACT}?source=*&destination=b", b'{"Action":"deny"}')

    matched = await mesh.http("GET", f"{BASE}/match?by=destination&name=b&name=c")
    checked = await mesh.http("GET", f"{BASE}/check?source=a&destination=b")

    assert [row.source_name for row in matched.json["b"]] == ["*"]
    assert matched.headers["X-Consul-Effective-Consistency"] == "leader"
    assert checked.json == {"Allowed": False}
