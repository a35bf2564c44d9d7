import pytest

from agent.checks.dial import dial
from agent.checks.http2 import Http2Client, Http2Error
from tests.agent.checks.loopback import h2_server, hang_up, stream_server

HEADERS = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]


async def call(address, body=b""):
    client = Http2Client(await dial(address, timeout_s=5))
    try:
        return await client.call(HEADERS, body)
    finally:
        client.close()


async def test_answer_has_header_trailer_and_body():
    def respond(connection, stream_id, headers, body):
        connection.send_headers(stream_id, [(":status", "200"), ("a", headers[":path"])])
        connection.send_data(stream_id, body)
        connection.send_headers(stream_id, [("b", "2")], end_stream=True)

    async with h2_server(respond) as address:
        answer = await call(address, b"echo")

    assert (answer.headers, bytes(answer.body)) == (
        {":status": "200", "a": "/x", "b": "2"},
        b"echo",
    )


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (
            lambda connection, stream_id, _headers, _body: connection.reset_stream(stream_id, 7),
            "stream reset by peer: REFUSED_STREAM",
        ),
        (
            lambda connection, _stream_id, _headers, _body: connection.close_connection(11),
            "connection terminated by peer: ENHANCE_YOUR_CALM",
        ),
    ],
)
async def test_refusal_of_the_peer_is_named(respond, message):
    async with h2_server(respond) as address:
        with pytest.raises(Http2Error, match=message):
            await call(address)


async def test_answer_is_bounded(monkeypatch):
    monkeypatch.setattr("agent.checks.http2.ANSWER_BYTES_MAX", 100)

    def respond(connection, stream_id, _headers, _body):
        connection.send_headers(stream_id, [(":status", "200")])
        connection.send_data(stream_id, b"x" * 101)

    async with h2_server(respond) as address:
        with pytest.raises(Http2Error, match="answer exceeds 100 bytes"):
            await call(address)


async def test_conversation_is_bounded(monkeypatch):
    monkeypatch.setattr("agent.checks.http2.CONVERSATION_BYTES_MAX", 10)

    async with h2_server() as address:
        with pytest.raises(Http2Error, match="peer sent more than 10 bytes"):
            await call(address)


async def test_peer_that_hangs_up_or_speaks_otherwise_is_an_error():
    async def chatter(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with stream_server(hang_up) as address:
        with pytest.raises(Http2Error):
            await call(address)
    async with stream_server(chatter) as address:
        with pytest.raises(Http2Error, match=r"not HTTP/2|connection"):
            await call(address)
