import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.definition import CheckType
from agent.checks.grpc import GrpcProbe, decode_response, encode_request
from agent.checks.tls import ClientTls
from catalog.rows.check import CRITICAL, PASSING
from tests.agent.checks.loopback import h2_server, stream_server

SERVICES = {"": 1, "web": 1, "down": 2, "odd": 9}


def health(connection, stream_id, headers, body):
    """The standard health service for SERVICES."""
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers["te"] == "trailers"
    service = body[7:].decode()
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    if service in SERVICES:
        message = bytes((8, SERVICES[service]))
        connection.send_data(stream_id, struct.pack(">BI", 0, len(message)) + message)
        trailers = [("grpc-status", "0")]
    else:
        trailers = [("grpc-status", "5"), ("grpc-message", "unknown%20service")]
    connection.send_headers(stream_id, trailers, end_stream=True)


async def probe(target, client_tls=None, **fields):
    return await GrpcProbe(CheckType(grpc=target, **fields), client_tls or ClientTls(), 4096).run()


@pytest.mark.parametrize("suffix", ["", "/web"])
async def test_serving_is_passing(suffix):
    async with h2_server(health) as address:
        outcome = await probe(address + suffix)

    assert outcome.status == PASSING
    assert outcome.output == f"gRPC check {address}{suffix}: success"


@pytest.mark.parametrize(("service", "name"), [("down", "NOT_SERVING"), ("odd", "9")])
async def test_other_serving_status_is_critical_and_named(service, name):
    async with h2_server(health) as address:
        outcome = await probe(f"{address}/{service}")

    assert outcome.status == CRITICAL
    assert outcome.output == f"gRPC {address}/{service} serving status: {name}"


async def test_unknown_service_shows_the_servers_status():
    async with h2_server(health) as address:
        outcome = await probe(f"{address}/none")

    assert outcome.output == "rpc error: code = NotFound desc = unknown service"


async def test_answer_of_a_plain_web_server_is_critical():
    def not_found(connection, stream_id, _headers, _body):
        connection.send_headers(stream_id, [(":status", "404")], end_stream=True)

    async with h2_server(not_found) as address:
        outcome = await probe(address)

    assert outcome.output == (
        "rpc error: code = Unknown desc = unexpected HTTP status code received from server: 404"
    )


async def test_malformed_message_is_critical():
    def malformed(connection, stream_id, _headers, _body):
        connection.send_headers(stream_id, [(":status", "200"), ("grpc-status", "0")])
        connection.send_data(stream_id, b"\0\0\0\0\x09\x08", end_stream=True)

    async with h2_server(malformed) as address:
        outcome = await probe(address)

    assert outcome.status == CRITICAL
    assert "malformed health answer" in outcome.output


async def test_flood_of_bytes_is_cut_off():
    def flood(connection, stream_id, _headers, _body):
        connection.send_headers(stream_id, [(":status", "200")])
        for _ in range(4):
            connection.send_data(stream_id, b"x" * 16_000)

    async def chatter(reader, writer):
        writer.write(b"SSH-2.0-OpenSSH\r\n" * 10)
        await reader.read(100)
        writer.close()

    async with h2_server(flood) as address:
        silent = await probe(address, timeout_ns=100_000_000)
    async with stream_server(chatter) as address:
        foreign = await probe(address)

    assert silent.output == "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    assert foreign.status == CRITICAL
    assert "code = Unavailable" in foreign.output


async def test_refused_connection_is_unavailable():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        outcome = await probe(address)

    assert outcome.status == CRITICAL
    assert outcome.output == (
        "rpc error: code = Unavailable desc = connection error: desc = "
        f'"dial tcp {address}: connect: connection refused"'
    )


async def test_tls_is_used_where_asked_for(server_tls, client_tls):
    async with h2_server(health, tls=server_tls) as address:
        named = await probe(address, client_tls, grpc_use_tls=True, tls_server_name="web.test")
        wrong = await probe(address, client_tls, grpc_use_tls=True)

    assert named.status == PASSING
    assert "failed to verify certificate" in wrong.output


def test_request_names_the_service_and_nothing_for_the_whole_server():
    assert encode_request("") == b"\0\0\0\0\0"
    assert encode_request("web") == b"\0\0\0\0\x05\x0a\x03web"
    assert encode_request("x" * 200)[5:8] == b"\x0a\xc8\x01"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", 0),
        (b"\x08\x01", 1),
        (b"\x12\x02hi\x08\x02", 2),
        (b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x08\x01", 1),
    ],
)
def test_status_is_found_among_unknown_fields(message, expected):
    assert decode_response(message) == expected


@given(st.binary(max_size=40))
def test_any_message_is_decoded_or_refused(message):
    with contextlib.suppress(ValueError):
        assert decode_response(message) >= 0
