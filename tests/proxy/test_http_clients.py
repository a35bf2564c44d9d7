"""Real clients through a proxy: curl, http.client and websockets."""

import asyncio
import http.client
import json
from contextlib import asynccontextmanager

import pytest
import websockets

from tests.proxy.real_proxy import ask, backend, proxying, read_request

CURL = ("curl", "-s", "-S", "-m", "20", "-i")
UPLOAD_BYTES = 10_000_000


async def curl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *CURL, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert 0 == process.returncode, error.decode()
    return out.decode()


@asynccontextmanager
async def serving(talk):
    async with backend(talk) as server, proxying() as proxy:
        proxy.serve(server.port)
        yield proxy, f"http://127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("code", [417, 413, 307])
async def test_curl_gets_the_early_answer_to_its_upload(code: int, tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * UPLOAD_BYTES)

    async def refuses(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno" % code)
        await writer.drain()
        await asyncio.sleep(0.2)

    async with serving(refuses) as (_, url):
        waits = await curl("-T", str(upload), f"{url}/up", "--expect100-timeout", "15")
        sends = await curl("-T", str(upload), f"{url}/up", "-H", "Expect:")
    for answer in (waits, sends):
        assert answer.startswith(f"HTTP/1.1 {code} ")
        assert answer.endswith("no")


async def test_curl_uploads_after_a_100(tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * UPLOAD_BYTES)

    async def takes(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(UPLOAD_BYTES)
        text = b"%d" % len(body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        await writer.drain()

    async with serving(takes) as (_proxy, url):
        answer = await curl("-T", str(upload), f"{url}/up", "--expect100-timeout", "15")
        assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert answer.endswith(str(UPLOAD_BYTES))


async def test_a_large_answer_arrives_whole_at_a_slow_reader():
    content = bytes(range(256)) * 40_000

    async def sends(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content))
        writer.write(content)
        await writer.drain()

    async with serving(sends) as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        await asyncio.sleep(0.1)  # all that fits has come, the rest must wait
        head = await reader.readuntil(b"\r\n\r\n")
        got = await reader.readexactly(len(content))
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert content == got


async def test_http_client_keeps_its_connection():
    async def echoes(reader, writer):
        while True:
            head, body = await read_request(reader)
            text = json.dumps([head.split(b" ")[0].decode(), len(body)]).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))

    def talk(port: int) -> list[object]:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        got = []
        for method, body in (("GET", None), ("POST", b"x" * 3), ("PUT", b""), ("DELETE", None)):
            client.request(method, "/", body=body)
            got.append(json.loads(client.getresponse().read()))
        client.close()
        return got

    async with serving(echoes) as (proxy, _):
        got = await asyncio.to_thread(talk, proxy.port)
    assert [["GET", 0], ["POST", 3], ["PUT", 0], ["DELETE", 0]] == got


async def test_websockets_carry_a_megabyte_both_ways():
    async def echoes(connection):
        async for message in connection:
            await connection.send(message)

    message = bytes(range(256)) * 4096
    async with (
        websockets.serve(echoes, "127.0.0.1", 0, max_size=None) as server,
        proxying() as proxy,
    ):
        (sock,) = server.sockets
        proxy.serve(sock.getsockname()[1])
        url = f"ws://127.0.0.1:{proxy.port}/chat"
        async with websockets.connect(url, max_size=None) as client:
            for each in (message, "text", message):
                await client.send(each)
                assert each == await client.recv()


async def test_wrong_upgrades_are_refused_by_the_server_itself():
    async with websockets.serve(lambda _: None, "127.0.0.1", 0) as server, proxying() as proxy:
        (sock,) = server.sockets
        proxy.serve(sock.getsockname()[1])
        status, _ = await ask(proxy.port, "GET", "/", b"", "Upgrade: TLS/1.2\r\n")
        assert 426 == status


@pytest.mark.parametrize("client", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("between", ["http", "http2"])
async def test_versions_meet_in_any_order(client: str, between: str):
    async def echoes(reader, writer):
        while True:
            head, body = await read_request(reader)
            text = head.partition(b"\r\n")[0] + b"|" + body
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))

    async with backend(echoes) as server, proxying() as near, proxying() as far:
        far.serve(server.port, protocol=between)
        near.serve(far.port, protocol="http2" if "2" in client else "http", onward=between)
        url = f"http://127.0.0.1:{near.port}/a?b"
        answers = [await curl(client, "-d", "hello", url), await curl(client, url)]
    assert answers[0].endswith("\r\n\r\nPOST /a?b HTTP/1.1|hello")
    assert answers[1].endswith("\r\n\r\nGET /a?b HTTP/1.1|")
