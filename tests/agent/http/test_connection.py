"""The fast lane and the hand-over, on both event loops."""

import asyncio
import gzip

import pytest

from tests.agent.harness import House, Raw, request, until

GET = request("GET", "/v1/kv/k")
SLOW_GET = request("GET", "/v1/kv/k?cached")


@pytest.fixture
async def raw(house: House) -> Raw:
    return await house.connect()


def the_connection(house: House):
    (connection,) = house.shared.connections
    return connection


async def put(raw: Raw, key: str, value: bytes) -> None:
    answered = await raw.ask(request("PUT", f"/v1/kv/{key}", value))
    assert (answered.status, answered.body.strip()) == (200, b"true")


async def test_pipelined_requests_are_answered_in_order(raw):
    parts = [
        request("PUT", "/v1/kv/k", b"1"),
        request("GET", "/v1/kv/k?raw"),
        request("PUT", "/v1/kv/k", b"2"),
        request("GET", "/v1/kv/k?raw&cached"),
        request("GET", "/v1/status/leader"),
        request("GET", "/v1/kv/k?raw"),
    ]

    await raw.send(b"".join(parts))

    answers = [await raw.answer() for _ in parts]
    assert [answered.status for answered in answers] == [200] * 6
    assert [answers[at].body for at in (1, 3, 5)] == [b"1", b"2", b"2"]


async def test_a_put_behind_a_put_waits_for_it(raw):
    await raw.send(b"".join(request("PUT", "/v1/kv/k", b"%d" % at) for at in range(50)))
    for _ in range(50):
        assert (await raw.answer()).status == 200

    assert (await raw.ask(request("GET", "/v1/kv/k?raw"))).body == b"49"


async def test_a_head_in_pieces_is_put_together(raw):
    data = request("PUT", "/v1/kv/k", b"value")
    for at in range(len(data)):
        await raw.send(data[at : at + 1])
        await asyncio.sleep(0)

    assert (await raw.answer()).status == 200


async def test_a_request_in_two_packets_stays_in_the_fast_lane(house, raw):
    data = request("PUT", "/v1/kv/k", b"value")
    await raw.send(data[:-5])
    await until(lambda: the_connection(house)._body_due)
    await raw.send(data[-5:])

    assert (await raw.answer()).status == 200
    assert the_connection(house)._slow is None


async def test_a_connection_comes_back_after_exactly_one_slow_request(house, raw):
    await put(raw, "k", b"v")
    await raw.ask(SLOW_GET)
    connection = the_connection(house)
    await until(lambda: not connection._slow_is_busy())

    handed_over = connection._slow._request_count
    assert (await raw.ask(GET)).status == 200
    assert handed_over == connection._slow._request_count == 1


async def test_a_connection_comes_back_after_a_large_body_in_many_packets(house, raw):
    await put(raw, "large", b"v" * 300_000)
    connection = the_connection(house)

    assert connection._slow is not None
    await until(lambda: not connection._slow_is_busy())
    await put(raw, "k", b"v")
    assert connection._slow._request_count == 1


async def test_what_follows_a_large_body_at_once_is_answered_after_it(raw):
    large = request("PUT", "/v1/kv/large", b"v" * 300_000)
    await raw.send(large + request("GET", "/v1/kv/large?raw") + GET)

    assert (await raw.answer()).body.strip() == b"true"
    assert len((await raw.answer()).body) == 300_000
    assert (await raw.answer()).status == 404


async def test_a_request_behind_a_slow_one_is_never_answered_first(house, raw):
    blocked = request("GET", "/v1/kv/none?index=999&wait=10s")
    await raw.send(blocked)
    await raw.send(GET)
    await until(lambda: house.agent.router.blocked_count)
    await house.ask("PUT", "/v1/kv/none", b"x")
    await asyncio.sleep(0.02)
    assert not raw.reader._buffer

    raw.close()
    await until(lambda: not house.agent.router.blocked_count)


async def test_two_slow_requests_in_quick_order_keep_their_order(raw):
    # The second comes while aiohttp has not begun with the first.
    await raw.send(request("GET", "/v1/status/leader"))
    await raw.send(request("GET", "/v1/status/peers"))

    assert isinstance((await raw.answer()).json, str)
    assert isinstance((await raw.answer()).json, list)


async def test_a_head_that_does_not_come_ends_the_connection(house):
    house.change_settings(head_timeout_s=0.02)
    raw = await house.connect()
    await raw.send(b"GET /v1/kv/k HTTP/1.1\r\nHost: ")

    assert await raw.rest() == b""


async def test_a_small_body_that_does_not_come_ends_the_connection(house):
    house.change_settings(body_timeout_s=0.02)
    raw = await house.connect()
    await raw.send(request("PUT", "/v1/kv/k", b"v", Content_Length="2"))

    assert await raw.rest() == b""


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_head_that_is_too_large_is_answered_431(house, end):
    house.change_settings(head_bytes_max=2000)
    raw = await house.connect()
    await raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 4000 + end)

    rest = await raw.rest()
    assert rest.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"Connection: close\r\n" in rest


async def test_a_client_over_its_connections_is_told_the_limit(house):
    house.change_settings(connections_per_client_max=2)
    raws = [await house.connect() for _ in range(2)]
    for raw in raws:
        assert (await raw.ask(GET)).status == 404
    third = await house.connect()
    await third.send(GET)

    rest = await third.rest()
    assert rest.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"limits.http_max_conns_per_client" in rest
    raws[0].close()
    await until(lambda: len(house.shared.connections) == 1)
    assert (await house.ask("GET", "/v1/kv/k")).status == 404


async def test_a_connection_counts_no_more_once_it_is_closed(house):
    for _ in range(3):
        await house.ask("GET", "/v1/kv/k")

    await until(lambda: not house.shared.connections)
    assert house.shared.by_client == {}


@pytest.mark.parametrize(
    "fields",
    [
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nContent-Length: +1\r\n",
        f"Host: a\r\nContent-Length: {'9' * 5000}\r\n",
        "Host: a\r\nContent-Length : 1\r\n",
        "Host: a\r\nX: a\nContent-Length: 1\r\n",
        "Host: a\r\nX: a\0b\r\nContent-Length: 1\r\n",
    ],
)
async def test_a_length_that_can_be_read_in_two_ways_is_refused(raw, fields):
    await raw.send(f"PUT /v1/kv/k HTTP/1.1\r\n{fields}\r\nxy".encode())

    rest = await raw.rest()
    assert rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert (rest.count(b"HTTP/1."), b"aiohttp" in rest) == (1, False)


async def test_a_request_without_host_is_refused(raw):
    answered = await raw.ask(b"GET /v1/kv/k HTTP/1.1\r\n\r\n")

    assert (
        answered.status,
        answered.body,
    ) == (400, b"400 Bad Request: missing required Host header")


async def test_a_target_with_a_space_is_refused(raw):
    await raw.send(b"GET /v1/kv/a b HTTP/1.1\r\nHost: a\r\n\r\n")

    rest = await raw.rest()
    assert rest.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert rest.endswith(b"\r\n\r\n400 Bad Request")


async def test_a_kept_answer_is_dropped_when_its_key_changes(house, raw):
    await put(raw, "k", b"1")
    assert (await raw.ask(request("GET", "/v1/kv/k?raw"))).body == b"1"
    assert len(house.shared.answers._kept) == 1

    await put(raw, "k", b"2")

    assert house.shared.answers._kept == {}
    assert (await raw.ask(request("GET", "/v1/kv/k?raw"))).body == b"2"


async def test_the_index_of_an_absent_key_is_always_that_of_now(raw):
    before = await raw.ask(GET)
    await put(raw, "other", b"1")
    after = await raw.ask(GET)

    assert before.status == after.status == 404
    assert int(before.headers["x-consul-index"]) < int(after.headers["x-consul-index"])
    await put(raw, "k", b"1")
    assert (await raw.ask(GET)).status == 200


async def test_answers_with_and_without_gzip_are_kept_apart(raw):
    await put(raw, "k", b"a" * 3000)
    for _ in range(2):
        plain = await raw.ask(request("GET", "/v1/kv/k?raw"))
        packed = await raw.ask(request("GET", "/v1/kv/k?raw", Accept_Encoding="gzip, br"))
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.body == gzip.decompress(packed.body) == b"a" * 3000


async def test_the_answer_is_dated_and_varies_by_encoding(raw):
    answered = await raw.ask(GET)

    assert answered.headers["date"].endswith(" GMT")
    assert answered.headers["vary"] == "Accept-Encoding"


async def test_a_percent_sequence_is_decoded_once(raw):
    await put(raw, "a%2520b", b"v")

    assert (await raw.ask(request("GET", "/v1/kv/?keys"))).json == ["a%20b"]


async def test_an_encoded_parameter_is_a_parameter(house, raw):
    await raw.send(request("GET", "/v1/kv/k?%69ndex=999&wait=10s"))

    await until(lambda: house.agent.router.blocked_count)


async def test_an_unprintable_key_is_refused_with_the_reason(raw):
    answered = await raw.ask(request("PUT", "/v1/kv/a%07", b"v"))

    expected = b"Invalid path: character U+0007 is not printable"
    assert (400, expected) == (answered.status, answered.body)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH"])
async def test_a_method_that_a_path_lacks_is_answered_405(house, method):
    raw = await house.connect()
    await raw.send(request(method, "/v1/kv/k", Connection="close"))

    rest = await raw.rest()
    assert rest.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: OPTIONS,GET,PUT,DELETE\r\n" in rest
    assert rest.endswith(b"\r\n\r\n") == (method == "HEAD")


async def test_options_tells_the_methods(house):
    answered = await house.ask("OPTIONS", "/v1/kv/k")

    assert (answered.status, answered.headers["allow"]) == (200, "OPTIONS,GET,PUT,DELETE")


async def test_an_unknown_path_is_answered_404(house):
    assert (await house.ask("GET", "/v1/nothing")).status == 404


async def test_a_prefix_without_its_slash_is_redirected(house):
    answered = await house.ask("GET", "/v1/kv")

    assert (answered.status, answered.headers["location"]) == (301, "/v1/kv/")


async def test_a_write_in_progress_when_the_client_goes_is_kept_and_frees_the_connection(house):
    raw = await house.connect()
    await raw.send(request("PUT", "/v1/kv/k", b"v") + request("PUT", "/v1/kv/other", b"v"))
    await until(lambda: house.shared.connections)
    raw.writer.transport.abort()

    await until(lambda: not house.shared.connections)
    await house.agent.server.driver.barrier()
    assert (await house.ask("GET", "/v1/kv/k?raw")).body in {b"v", b""}


async def test_a_lost_connection_does_not_stop_the_log(house, raw):
    await put(raw, "k", b"0")
    connection = the_connection(house)
    connection.data_received(request("PUT", "/v1/kv/k", b"1") + SLOW_GET + GET)
    assert connection._waiting
    connection.connection_lost(None)

    await house.agent.server.driver.barrier()

    assert (await house.ask("GET", "/v1/kv/k?raw")).body == b"1"


async def test_a_client_that_sends_no_more_gets_its_answers_and_the_end(house, raw):
    await raw.send(request("PUT", "/v1/kv/k", b"v") + GET)
    raw.writer.write_eof()

    rest = await raw.rest()
    assert rest.count(b"HTTP/1.1 200 OK\r\n") == 2
    await until(lambda: not house.shared.connections)


async def test_a_write_in_progress_is_answered_when_the_agent_stops(house, raw):
    await put(raw, "k", b"0")
    connection = the_connection(house)
    connection.data_received(request("PUT", "/v1/kv/k", b"1"))
    assert connection._waiting
    await house.agent.http.close()

    assert (await raw.rest()).startswith(b"HTTP/1.1 200 OK\r\n")
    await until(lambda: not house.shared.connections)


async def test_many_pipelined_reads_in_one_packet_are_answered(raw):
    await put(raw, "k", b"v")
    await raw.send(request("GET", "/v1/kv/k?raw") * 2000)

    for _ in range(2000):
        assert (await raw.answer()).body == b"v"


async def test_a_client_that_does_not_read_is_not_read_from(house, raw):
    await put(raw, "k", b"a" * 60_000)
    connection = the_connection(house)

    async def flood() -> None:
        while True:
            await raw.send(request("GET", "/v1/kv/k?raw") * 100)

    flooding = asyncio.create_task(flood())
    await until(lambda: connection._unread)
    assert connection._transport.get_write_buffer_size() < 1_000_000
    flooding.cancel()
    for _ in range(20):
        assert len((await raw.answer()).body) == 60_000
    raw.writer.transport.abort()
    await until(lambda: not house.shared.connections)


async def test_a_client_that_leaves_a_blocking_query_frees_everything(house, raw):
    await raw.send(request("GET", "/v1/kv/none?index=999&wait=10m"))
    await until(lambda: house.agent.router.blocked_count)
    watches = len(house.agent.server.store.watches)
    raw.close()

    await until(lambda: not house.agent.router.blocked_count, timeout_s=2.0)
    await until(lambda: not house.shared.connections, timeout_s=2.0)
    assert len(house.agent.server.store.watches) < watches
    assert house.shared.by_client == {}


async def test_changed_settings_drop_kept_answers(house, raw):
    await put(raw, "k", b"v")
    await raw.ask(GET)
    house.change_settings(response_headers=(("X-New", "yes"),))

    assert (await raw.ask(GET)).headers["x-new"] == "yes"


async def test_long_targets_are_not_kept(house, raw):
    await put(raw, "k" * 5000, b"v")
    assert (await raw.ask(request("GET", f"/v1/kv/{'k' * 5000}"))).status == 200
    assert house.shared.answers._kept == {}


async def test_closed_connections_leave_nothing_behind(house):
    for _ in range(20):
        raw = await house.connect()
        await raw.ask(SLOW_GET)
        raw.close()

    await until(lambda: not house.shared.connections)
    await until(lambda: not house.shared.hand_over._server.connections)
