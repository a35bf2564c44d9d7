"""From a call to its answer: refusals, headers, who may write."""

import ipaddress

import pytest

from agent.http.call import Answer, Call, HttpError, Query
from agent.http.fast import Headers
from agent.http.route import Read, Route
from catalog.errors import NotFound
from tests.agent.harness import House


def make_call(house: House, method: str, target: str, source: str = "127.0.0.1") -> Call:
    query = Query(target.partition("?")[2])
    return Call(house.agent.front, method, target, query, Headers([]), b"v", source)


async def answer(house: House, method: str, target: str, source: str = "127.0.0.1") -> Answer:
    found, _ = house.agent.front.found(method, target)
    return await house.agent.front.answer(make_call(house, method, target, source), found)


async def test_a_read_carries_its_index_and_consistency(house: House):
    answered = await house.ask("GET", "/v1/catalog/nodes?stale")

    assert int(answered.headers["x-consul-index"]) > 0
    assert answered.headers["x-consul-knownleader"] == "true"
    assert answered.headers["x-consul-lastcontact"] == "0"
    assert answered.headers["x-consul-effective-consistency"] == "stale"
    assert answered.headers["x-consul-default-acl-policy"] == "allow"


async def test_a_refused_read_has_an_index_too(house: House):
    answered = await house.ask("GET", "/v1/catalog/nodes?filter=%28")

    assert answered.status == 500
    assert answered.headers["x-consul-index"] == "1"
    assert answered.headers["x-consul-knownleader"] == "false"


async def test_what_does_not_exist_can_be_waited_for(house: House):
    answered = await house.ask("GET", "/v1/config/service-defaults/none")

    assert answered.status == 404
    assert int(answered.headers["x-consul-index"]) >= 1
    assert answered.headers["x-consul-knownleader"] == "true"


async def test_a_blocked_endpoint_is_refused_as_configuration_says(house: House):
    await house.ask("PUT", "/v1/kv/k", b"v")
    assert (await house.ask("GET", "/v1/kv/k")).status == 200
    house.change_settings(block_endpoints=("/v1/kv",))

    for method, target in (("GET", "/v1/kv/k"), ("PUT", "/v1/kv/k"), ("GET", "/v1/kv/?keys")):
        answered = await house.ask(method, target)
        assert (answered.status, answered.body) == (
            403,
            b"Endpoint is blocked by agent configuration",
        )
    assert (await house.ask("GET", "/v1/status/leader")).status == 200


async def test_writes_are_taken_only_from_the_networks_that_may(house: House):
    house.change_settings(allow_write_from=(ipaddress.ip_network("10.0.0.0/8"),))

    refused = await answer(house, "PUT", "/v1/kv/k")
    assert (refused.status, refused.text) == (403, "Access is restricted")
    assert (await answer(house, "PUT", "/v1/kv/k", "10.1.2.3")).status == 200
    assert (await answer(house, "DELETE", "/v1/kv/k", "::1")).status == 403
    assert (await answer(house, "GET", "/v1/catalog/nodes")).status == 200
    assert (await house.ask("PUT", "/v1/kv/k", b"v")).status == 403


async def test_configured_headers_are_on_every_answer(house: House):
    house.change_settings(
        response_headers=(("Access-Control-Allow-Origin", "*"),), translate_wan_addresses=True
    )

    for target in ("/v1/kv/none", "/v1/status/leader", "/v1/none", "/v1/kv/k?index=x"):
        answered = await house.ask("GET", target)
        assert answered.headers["access-control-allow-origin"] == "*"
        assert answered.headers["x-consul-translate-addresses"] == "true"


async def test_a_bad_escape_in_the_path_is_refused(house: House):
    answered = await house.ask("GET", "/v1/kv/%zz")

    assert (answered.status, answered.body) == (400, b'Invalid path: invalid URL escape "%zz"')


async def test_unprintable_characters_are_taken_when_the_filter_is_off(house: House):
    house.change_settings(refuse_unprintable=False)

    assert (await house.ask("PUT", "/v1/kv/a%07", b"v")).status == 200


async def test_a_write_is_never_redirected_to_a_clean_path(house: House):
    with pytest.raises(HttpError) as caught:
        house.agent.front.found("PUT", "/v1//agent/leave")

    assert caught.value.status == 404


async def test_a_catalog_refusal_has_its_text_and_status(house: House):
    def refuse(*_):
        raise NotFound("not here")

    front = house.agent.front
    route = Route("GET", "/v1/x", Read(refuse, refuse), "")
    found, _ = front.found("GET", "/v1/kv/k")
    found = found._replace(methods={"GET": route})

    refused = await front.answer(make_call(house, "GET", "/v1/x"), found)

    assert (refused.status, refused.text) == (404, "not here")


async def test_our_own_bug_is_told_as_an_internal_error(house: House):
    def fail(*_):
        raise ZeroDivisionError("secret")

    front = house.agent.front
    found, _ = front.found("GET", "/v1/kv/k")
    found = found._replace(methods={"GET": Route("GET", "/v1/x", Read(fail, fail), "")})

    refused = await front.answer(make_call(house, "GET", "/v1/x"), found)

    assert (refused.status, refused.text) == (500, "Internal error")


async def test_cached_reads_say_whether_they_were_asked_before(house: House):
    target = "/v1/catalog/services?cached"
    first = await house.ask("GET", target)
    second = await house.ask("GET", target)
    fresh = await house.ask("GET", target, Cache_Control="must-revalidate")
    bad = await house.ask("GET", target, Cache_Control="max-age=x")

    assert "age" not in first.headers
    assert [first.headers["x-cache"], second.headers["x-cache"]] == ["MISS", "HIT"]
    assert (second.headers["age"], fresh.headers["x-cache"]) == ("0", "MISS")
    assert (bad.status, bad.body) == (400, b"Invalid Cache-Control header.")


async def test_without_the_cache_nothing_is_said_of_it(house: House):
    house.change_settings(use_cache=False)

    answered = await house.ask("GET", "/v1/catalog/services?cached")

    assert "x-cache" not in answered.headers


async def test_pretty_is_for_who_asks_and_for_dev(house: House):
    house.change_settings(always_pretty=False)
    compact = await house.ask("GET", "/v1/status/peers")
    pretty = await house.ask("GET", "/v1/status/peers?pretty")

    assert compact.body.startswith(b'["')
    assert pretty.body.startswith(b'[\n    "')


async def test_each_request_is_measured(house: House):
    seen = []
    house.agent.front.record = lambda *sample: seen.append(sample)
    await house.ask("GET", "/v1/status/leader")
    await house.ask("PUT", "/v1/kv/k", b"v")
    await house.ask("GET", "/v1/kv/k")

    expected = [("GET", "/v1/status/leader"), ("PUT", "/v1/kv/{key}"), ("GET", "/v1/kv/{key}")]
    assert [sample[:2] for sample in seen] == expected
    assert all(0 <= seconds < 5 for _, _, seconds in seen)
