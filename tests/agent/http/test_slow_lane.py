"""aiohttp's lane: bodies under their limits, refusals that a client can read, streams."""

import asyncio

import pytest

from agent.http import slow_lane
from tests.agent.harness import House, request, until

REFUSAL = (
    "Request body({} bytes) too large, max size: {} bytes. "
    "See https://www.consul.io/docs/agent/options.html#{}."
)


def chunked(target: str, *chunks: bytes) -> bytes:
    head = f"PUT {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head.encode() + body


async def test_a_body_that_says_it_is_too_large_is_refused_and_the_reason_can_be_read(house):
    raw = await house.connect()
    body = b"a" * 600_000
    sending = asyncio.create_task(raw.send(request("PUT", "/v1/kv/k", body)))

    answered = await raw.answer()

    assert answered.status == 413
    assert answered.body.decode() == REFUSAL.format(600_000, 524_288, "kv_max_value_size")
    await sending
    assert await raw.rest() == b""


async def test_a_body_that_turns_out_too_large_is_refused_and_the_reason_can_be_read(house):
    raw = await house.connect()
    sending = asyncio.create_task(raw.send(chunked("/v1/kv/k", *[b"a" * 100_000] * 7, b"")))

    answered = await raw.answer()

    assert answered.status == 413
    assert b"max size: 524288 bytes" in answered.body
    await sending
    assert await raw.rest() == b""


async def test_a_chunked_body_is_put_together(house):
    raw = await house.connect()

    assert (await raw.ask(chunked("/v1/kv/k", b"ab", b"c", b""))).status == 200
    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"abc"


async def test_a_client_that_asks_first_is_told_to_continue(house):
    raw = await house.connect()
    await raw.send(request("PUT", "/v1/kv/k", Expect="100-continue", Content_Length="3"))
    assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    assert (await raw.ask(b"abc")).status == 200


async def test_a_client_that_asks_first_with_too_much_is_refused_at_once(house):
    raw = await house.connect()
    head = request("PUT", "/v1/kv/k", Expect="100-continue", Content_Length="600000")

    assert (await raw.ask(head)).status == 413


async def test_a_body_that_does_not_come_is_answered_408(house):
    house.change_settings(body_timeout_s=0.02)
    raw = await house.connect()

    answered = await raw.ask(chunked("/v1/kv/k", b"ab"))

    assert answered.status == 408


@pytest.mark.parametrize(
    ("pattern", "limit", "setting"),
    [
        ("/v1/kv/{key}", 524_288, "kv_max_value_size"),
        ("/v1/txn", 524_288 * 4 // 3 + 4096, "txn_max_req_len"),
        ("/v1/snapshot", 1024**3, "snapshot"),
        ("/v1/agent/service/register", slow_lane.BODY_BYTES_MAX, "body"),
    ],
)
async def test_each_endpoint_has_its_own_limit(house, pattern, limit, setting):
    assert (limit, setting) == slow_lane._limit(house.agent.front, pattern)


async def test_an_absolute_target_is_taken_as_a_path(house):
    raw = await house.connect()

    answered = await raw.ask(request("GET", "http://agent:8500/v1/status/peers"))

    assert (200, list) == (answered.status, type(answered.json))


async def test_http_1_0_needs_no_host_and_ends_the_connection(house):
    raw = await house.connect()
    await raw.send(b"GET /v1/status/peers HTTP/1.0\r\n\r\n")

    assert (await raw.rest()).startswith(b"HTTP/1.0 200 OK\r\n")


async def test_the_log_is_streamed_until_the_client_goes(house):
    raw = await house.connect()
    followers = house.agent.services._log_hub
    await raw.send(request("GET", "/v1/agent/monitor?loglevel=debug"))
    head = await raw.reader.readuntil(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    await until(lambda: followers._followers)
    raw.close()

    await until(lambda: not followers._followers, timeout_s=2.0)


async def test_our_own_bug_is_an_internal_error_without_details(house: House, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(house.agent.front, "render", broken)

    answered = await house.ask("GET", "/v1/status/peers")

    assert (answered.status, answered.body) == (500, b"500 Internal Server Error")
