"""Source: Consul API, certificate authority and agent; the texts are those of 1.9.8."""

import json
from collections.abc import AsyncIterator

import pytest

from agent.connect.keys import KeyKind, generate, to_pem
from tests.agent.connect.mesh import Mesh

CONFIGURATION = "/v1/connect/ca/configuration"
AUTHORIZE = "/v1/agent/connect/authorize"


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    server = Mesh()
    await server.authority.start("consul", {})
    yield server
    await server.close()


async def test_roots_come_as_json_or_as_pem(mesh):
    shown = await mesh.http("GET", "/v1/connect/ca/roots")
    pem = await mesh.http("GET", "/v1/connect/ca/roots?pem=true")

    assert [root.root_cert for root in shown.json.roots] == [pem.body.decode()]
    assert pem.content_type == "application/pem-certificate-chain"
    assert (await mesh.http("GET", "/v1/connect/ca/roots?pem=x")).status == 400


async def test_configuration_is_replaced_and_shown_without_secrets(mesh):
    body = json.dumps({"Provider": "consul", "Config": {"leaf_cert_ttl": "24h"}}).encode()

    answer = await mesh.http("PUT", CONFIGURATION, body)

    assert answer.status == 200
    assert (await mesh.http("GET", CONFIGURATION)).json.config["LeafCertTTL"] == "24h"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{", 400, "Bad request: Request decode failed: "),
        (b'{"Provider":"x"}', 500, 'could not initialize provider: unknown CA provider "x"'),
        (
            b'{"Provider":"consul","State":{"a":"b"}}',
            400,
            "Bad request: CA Provider State is read-only",
        ),
    ],
)
async def test_wrong_configurations_are_refused(mesh, body, status, text):
    answer = await mesh.http("PUT", CONFIGURATION, body)

    assert status == answer.status
    assert answer.text.startswith(text)


async def test_agent_gives_roots_and_leaves_from_its_cache(mesh):
    first = await mesh.http("GET", "/v1/agent/connect/ca/leaf/web")
    again = await mesh.http("GET", "/v1/agent/connect/ca/leaf/web")
    roots = await mesh.http("GET", "/v1/agent/connect/ca/roots")

    assert first.json == again.json
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
    assert str(first.json.modify_index) == first.headers["X-Consul-Index"]
    assert roots.headers["X-Cache"] == "MISS"


async def test_leaf_beyond_the_rate_is_429(mesh):
    body = b'{"Provider":"consul","Config":{"CSRMaxPerSecond":0.01}}'
    await mesh.http("PUT", CONFIGURATION, body)
    await mesh.http("GET", "/v1/agent/connect/ca/leaf/a")

    async def at_once(request):
        return await mesh.authority.sign(request.request)

    mesh.leaves._sign = at_once
    answer = await mesh.http("GET", "/v1/agent/connect/ca/leaf/b")

    assert (answer.status, answer.text) == (429, "Rate limit reached, try again later")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "Bad request: Request decode failed: "),
        (b"{}", "Bad request: Target service must be specified"),
        (
            b'{"Target":"x","ClientCertURI":"y"}',
            "Bad request: ClientCertURI not a valid Connect identifier",
        ),
        (
            b'{"Target":"x","ClientCertURI":"spiffe://y/agent/client/dc/dc1/id/n"}',
            "Bad request: ClientCertURI not a valid Service identifier",
        ),
    ],
)
async def test_wrong_questions_of_authorization_are_refused(mesh, body, text):
    answer = await mesh.http("POST", AUTHORIZE, body)

    assert answer.status == 400
    assert answer.text.startswith(text)


async def test_intentions_decide_who_is_authorized(mesh):
    names = "source=a&destination=b"
    await mesh.http("PUT", f"/v1/connect/intentions/exact?{names}", b'{"Action":"deny"}')
    domain = (await mesh.http("GET", "/v1/connect/ca/roots")).json.trust_domain
    uri = f"spiffe://{domain}/ns/default/dc/dc1/svc/a"

    answers = [
        await mesh.http(
            "POST", AUTHORIZE, json.dumps({"Target": target, "ClientCertURI": uri}).encode()
        )
        for target in ("b", "c")
    ]

    assert [answer.json["Authorized"] for answer in answers] == [False, True]
    assert answers[0].json["Reason"].startswith("Matched intention: default/a => default/b")


async def test_a_leaf_is_revoked_by_its_serial_number(mesh):
    by_url = await mesh.http("PUT", "/v1/connect/ca/revoke?serial=0a:1b&reason=stolen")
    by_body = await mesh.http("PUT", "/v1/connect/ca/revoke", b'{"Serial":"C","Reason":"lost"}')

    listed = await mesh.http("GET", "/v1/connect/ca/revocations")

    assert (by_url.status, by_body.status) == (200, 200)
    assert [*by_url.json, *by_body.json] == listed.json
    assert [(row["Serial"], row["Reason"]) for row in listed.json] == [
        ("0a:1b", "stolen"),
        ("0c", "lost"),
    ]
    assert listed.json[0]["RevokedAt"] == "2027-01-15T08:00:00Z"
    assert listed.headers["X-Consul-Index"] == str(listed.json[1]["ModifyIndex"])


@pytest.mark.parametrize(
    ("target", "body", "text"),
    [
        ("", b"", "Bad request: either Serial or Service must be specified"),
        ("?serial=1&service=a", b"", "Bad request: either Serial or Service must be specified"),
        ("?service=a", b"", "no leaf certificate of service 'a' is known"),
        ("?serial=0x12", b"", "invalid certificate serial number '0x12'"),
        ("", b"[]", "Bad request: Request decode failed: "),
    ],
)
async def test_wrong_revocations_are_answered_with_400(mesh, target, body, text):
    answer = await mesh.http("PUT", f"/v1/connect/ca/revoke{target}", body)

    assert (answer.status, answer.text[: len(text)]) == (400, text)


async def test_a_revoked_client_is_not_authorized(mesh):
    leaf = (await mesh.http("GET", "/v1/agent/connect/ca/leaf/a")).json
    question = {
        "Target": "b",
        "ClientCertURI": leaf.service_uri,
        "ClientCertSerial": leaf.serial_number,
    }
    before = await mesh.http("POST", AUTHORIZE, json.dumps(question).encode())

    await mesh.http("PUT", f"/v1/connect/ca/revoke?serial={leaf.serial_number}")
    after = await mesh.http("POST", AUTHORIZE, json.dumps(question).encode())

    assert (before.json["Authorized"], after.json["Authorized"]) == (True, False)


async def test_all_leaves_of_a_service_are_revoked_together(mesh):
    leaves = [await mesh.leaves.get(*owner) for owner in (("a", ""), ("a", "t"), ("b", ""))]

    answer = await mesh.http("PUT", "/v1/connect/ca/revoke?service=a")

    first, second, _other = (served.leaf for served in leaves)
    assert [row["Serial"] for row in answer.json] == [first.serial_number, second.serial_number]
    assert {row["URI"] for row in answer.json} == {first.service_uri}
    assert {row["ExpiresAt"] for row in answer.json} == {first.valid_before}


async def test_leaves_that_live_are_listed_with_their_root(mesh):
    leaf = (await mesh.leaves.get("a", "")).leaf
    await mesh.leaves.get("b", "")

    listed = await mesh.http("GET", "/v1/connect/ca/leaves?filter=URI+matches+%22/a$%22")

    (row,) = listed.json
    assert (row["Serial"], row["URI"]) == (leaf.serial_number, leaf.service_uri)
    assert row["RootID"] == (await mesh.roots()).active_root_id
    assert row["ExpiresAt"] == leaf.valid_before


async def test_another_root_is_in_use_after_a_rotation(mesh):
    before = await mesh.roots()

    answer = await mesh.http("PUT", "/v1/connect/ca/rotate")

    after = await mesh.roots()
    assert (answer.status, len(after.roots)) == (200, 2)
    assert before.active_root_id != after.active_root_id


async def test_a_root_of_the_configuration_is_not_rotated(mesh):
    key = to_pem(generate(KeyKind("ec", 256)))
    body = json.dumps({"Provider": "consul", "Config": {"PrivateKey": key}}).encode()
    await mesh.http("PUT", CONFIGURATION, body)

    answer = await mesh.http("PUT", "/v1/connect/ca/rotate")

    assert (answer.status, answer.text) == (
        400,
        "the root cannot be replaced by another one: its key was given by the configuration",
    )
