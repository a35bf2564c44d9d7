import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.checks.definition import CheckType
from agent.checks.http import HttpProbe
from agent.checks.tls import ClientTls
from catalog.rows.check import CRITICAL, PASSING, WARNING
from tests.agent.checks.loopback import stream_server

MILLISECOND = 1_000_000
seen: list[web.Request] = []


async def answer(request: web.Request) -> web.StreamResponse:
    status = int(request.match_info["status"])
    seen.append(request)
    location = {"Location": "/status/200"} if status == 302 else {}
    return web.Response(status=status, text=await request.text() or "hello", headers=location)


async def binary(_request):
    return web.Response(body=b'\xff\xfe\0"bin"\x80' + b"A" * 9000)


async def loop(_request):
    raise web.HTTPFound("/loop")


async def hang(_request):
    await asyncio.sleep(30)


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"z" * 65536)


async def drip(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await asyncio.sleep(30)
    return response


def application():
    app = web.Application()
    app.router.add_route("*", "/status/{status}", answer)
    for handler in (binary, loop, hang, endless, drip):
        app.router.add_get(f"/{handler.__name__}", handler)
    return app


@pytest.fixture
async def server():
    seen.clear()
    async with TestServer(application()) as running:
        yield running


async def probe(url, **fields):
    client_tls = fields.pop("client_tls", ClientTls())
    return await HttpProbe(CheckType(http=str(url), **fields), client_tls, 4096).run()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, PASSING),
        (204, PASSING),
        (302, PASSING),
        (429, WARNING),
        (404, CRITICAL),
        (500, CRITICAL),
    ],
)
async def test_status_of_the_answer_decides(server, status, expected):
    outcome = await probe(server.make_url(f"/status/{status}"))

    assert expected == outcome.status


async def test_output_names_the_request_and_the_answer(server):
    url = server.make_url("/status/200")

    assert f"HTTP GET {url}: 200 OK Output: hello" == (await probe(url)).output


async def test_redirects_may_be_turned_off(server):
    outcome = await probe(server.make_url("/status/302"), disable_redirects=True)

    assert outcome.status == CRITICAL
    assert "302 Found" in outcome.output


async def test_redirect_loop_ends(server):
    outcome = await probe(server.make_url("/loop"))

    assert outcome.status == CRITICAL
    assert outcome.output.endswith("stopped after 10 redirects")


async def test_request_carries_defaults_and_closes_the_connection(server):
    await probe(server.make_url("/status/200"))

    headers = seen[0].headers
    assert headers["User-Agent"] == "Consul Health Check"
    assert headers["Accept"] == "text/plain, text/*, */*"
    assert headers["Connection"] == "close"
    assert "Accept-Encoding" not in headers


async def test_method_body_and_headers_of_the_definition_are_sent(server):
    outcome = await probe(
        server.make_url("/status/200"),
        method="POST",
        body="ping",
        header={"Host": ("web.example",), "User-Agent": ("mine",), "X": ("a", "b")},
    )

    assert "Output: ping" in outcome.output
    assert seen[0].method == "POST"
    assert seen[0].headers["Host"] == "web.example"
    assert seen[0].headers["User-Agent"] == "mine"
    assert seen[0].headers.getall("X") == ["a", "b"]


async def test_timeout_is_critical_and_names_the_cause(server):
    outcome = await probe(server.make_url("/hang"), timeout_ns=50 * MILLISECOND)

    assert outcome.status == CRITICAL
    assert outcome.output.endswith(
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    )


async def test_refused_connection_is_critical_and_names_the_address(unused_tcp_port):
    outcome = await probe(f"http://127.0.0.1:{unused_tcp_port}/", method="POST")

    assert outcome.status == CRITICAL
    assert (
        f'Post "http://127.0.0.1:{unused_tcp_port}/": dial tcp 127.0.0.1:{unused_tcp_port}: '
        "connect: connection refused"
    ) == outcome.output


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "http://[::1", "ftp://x/", "http://a:99999/"]
)
async def test_malformed_url_is_critical_with_a_reason(url):
    outcome = await probe(url)

    assert outcome.status == CRITICAL
    assert outcome.output.startswith(f'Get "{url}": ')


async def test_binary_body_keeps_its_head_as_text(server):
    outcome = await probe(server.make_url("/binary"))

    assert 'Output: \ufffd\ufffd\0"bin"\ufffdAAA' in outcome.output
    assert outcome.output.endswith(" ... (captured 4096 of 9009 bytes)")


async def test_endless_body_is_cut_off(server):
    outcome = await probe(server.make_url("/endless"))

    assert outcome.status == PASSING
    assert outcome.output.endswith("+ bytes)")


async def test_body_that_stalls_does_not_change_the_status(server):
    outcome = await probe(server.make_url("/drip"), timeout_ns=400 * MILLISECOND)

    assert outcome.status == PASSING
    assert outcome.output.endswith("Output: first")


async def test_answer_that_is_no_http_is_critical():
    async def chatter(_reader, writer):
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    async with stream_server(chatter) as address:
        outcome = await probe(f"http://{address}/")

    assert outcome.status == CRITICAL


async def test_certificate_is_verified_against_the_server_name(server_tls, client_tls):
    runner = web.AppRunner(application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    port = runner.addresses[0][1]
    url = f"https://127.0.0.1:{port}/status/200"

    wrong = await probe(url, client_tls=client_tls)
    named = await probe(url, client_tls=client_tls, tls_server_name="web.test")
    skipped = await probe(url, tls_skip_verify=True)
    await runner.cleanup()

    assert wrong.status == CRITICAL
    assert "failed to verify certificate" in wrong.output
    assert named.status == PASSING
    assert skipped.status == PASSING


@pytest.fixture
def unused_tcp_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]  # bound and not listening: connections are refused


async def test_unknown_host_is_named():
    outcome = await probe("http://no-such-host.invalid/")

    assert outcome.status == CRITICAL
    assert outcome.output.endswith("dial tcp: lookup no-such-host.invalid: no such host")


async def test_large_header_is_no_ill_health(server):
    async def cookies(_request):
        return web.Response(headers={"X-Large": "x" * 20_000})

    app = web.Application()
    app.router.add_get("/", cookies)
    async with TestServer(app) as other:
        outcome = await probe(other.make_url("/"))

    assert outcome.status == PASSING


async def test_redirect_to_another_server_is_asked_under_its_own_name(server):
    async def away(_request):
        raise web.HTTPFound(server.make_url("/status/200"))

    app = web.Application()
    app.router.add_get("/", away)
    async with TestServer(app) as other:
        outcome = await probe(other.make_url("/"), header={"Host": ("web.example",)})

    assert outcome.status == PASSING
    assert seen[0].headers["Host"] == f"127.0.0.1:{server.port}"
