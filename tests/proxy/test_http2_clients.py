"""Real clients and servers on real sockets: curl, nghttp, h2load, and gRPC through both codecs."""

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import trustme
import uvloop

from tests.proxy.http2_relay import Cannery, Relay, connected, serving

pytestmark = pytest.mark.compat
BIG = 30_000_000


async def output(*command: str) -> str:
    """What a client that ends well says."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert not process.returncode, said.decode()
    return said.decode()


@pytest.fixture(params=["direct", "relayed"])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serving(Cannery()) as port:
        if request.param == "direct":
            yield f"http://127.0.0.1:{port}"
            return
        client = await connected(port)
        async with serving(Relay(client)) as relaying:
            yield f"http://127.0.0.1:{relaying}"
        client.close()


async def test_curl_with_prior_knowledge(url: str):
    curl = ("curl", "-sS", "--http2-prior-knowledge", "-w", "%{json}")

    written = json.loads(await output(*curl, "-o", "/dev/null", f"{url}/{BIG}"))

    assert ("2", 200, BIG) == (
        written["http_version"],
        written["http_code"],
        written["size_download"],
    )


async def test_curl_sends_a_big_body(url: str, tmp_path: Path):
    body = tmp_path / "body"
    body.write_bytes(bytes(BIG))

    said = await output("curl", "-sS", "--http2-prior-knowledge", "-T", str(body), f"{url}/up")

    assert f"{BIG}" == said


async def test_nghttp_asks_for_several_at_once(url: str):
    said = await output("nghttp", "-ns", *(f"{url}/{size}" for size in (1, 1000, 100_000, 10**6)))

    assert 4 == sum(" 200 " in line for line in said.splitlines())


async def test_h2load_has_no_failure(url: str):
    said = await output("h2load", "-n", "2000", "-c", "5", "-m", "20", f"{url}/100")

    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said


async def test_h2load_with_small_windows_and_large_bodies(url: str):
    said = await output(
        "h2load", "-n", "60", "-c", "2", "-m", "10", "-w", "10", "-W", "12", f"{url}/50000"
    )

    assert "60 succeeded" in said


async def test_tls_agrees_on_h2():
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])

    async with serving(Cannery(), context) as port:
        said = await output(
            "curl", "-sSk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{size_download}",
            f"https://127.0.0.1:{port}/100000",
        )  # fmt: skip

    assert "2 100000" == said


class Echo(grpc.GenericRpcHandler):
    """Methods of all four kinds, on bytes."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        kinds = {
            "/echo/unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/echo/fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/echo/many": grpc.unary_stream_rpc_method_handler(self.many),
            "/echo/both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        return kinds.get(details.method)

    def unary(self, asked: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("said", "goodbye"),))
        return asked[::-1]

    def fail(self, _asked: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        return b""

    def many(self, asked: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(int(asked)):
            yield bytes(1000)

    def both(self, asked: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
        for part in asked:
            yield part.upper()


def talk(port: int) -> None:
    """All kinds of calls through a proxy, in a thread."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer, call = channel.unary_unary("/echo/unary").with_call(b"abc" * 100_000, timeout=10)
        many = list(channel.unary_stream("/echo/many")(b"3000", timeout=10))
        both = channel.stream_stream("/echo/both")(iter([b"a", b"b", b"c"]), timeout=10)
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/echo/fail")(b"x", timeout=10)
        with pytest.raises(grpc.RpcError) as unknown:
            channel.unary_unary("/echo/what")(b"x", timeout=10)

        assert b"cba" * 100_000 == answer
        assert ("said", "goodbye") in [tuple(pair) for pair in call.trailing_metadata()]
        assert 3_000_000 == sum(map(len, many))
        assert [b"A", b"B", b"C"] == list(both)
        assert (grpc.StatusCode.NOT_FOUND, "no such thing") == (
            failed.value.code(),
            failed.value.details(),
        )
        assert grpc.StatusCode.UNIMPLEMENTED == unknown.value.code()


def test_grpc_goes_through_both_codecs():
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    async def relay() -> None:
        client = await connected(port)
        async with serving(Relay(client)) as relaying:
            await asyncio.to_thread(talk, relaying)
        client.close()

    uvloop.run(relay())
    server.stop(0)
