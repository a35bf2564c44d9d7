"""Real gRPC through a whole proxy: calls of all kinds, statuses, deadlines, refusals."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from proxy.api import Route, WeightedCluster
from tests.proxy.real_proxy import proxying

ECHO = "/test.Echo/"


class Echo(grpc.GenericRpcHandler):
    """Says again what it hears; fails, or takes long, when told to."""

    def service(self, details):
        match details.method.removeprefix(ECHO):
            case "Unary":
                return grpc.unary_unary_rpc_method_handler(self._unary)
            case "Stream":
                return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    async def _unary(self, request, context):
        if request == b"fail":
            context.set_trailing_metadata((("x-why", "told"),))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "tolé")
        if request == b"wait":
            await asyncio.sleep(30)
        return request

    async def _stream(self, requests, context):
        async for request in requests:
            yield request


@asynccontextmanager
async def calling(*, timeout_s: float = 0.0):
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    route = Route(name="r", clusters=(WeightedCluster(cluster="web"),), timeout_s=timeout_s)
    try:
        async with proxying() as proxy:
            proxy.serve(port, route=route, protocol="grpc", onward="grpc")
            async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
                yield proxy, channel
    finally:
        await server.stop(0)


async def test_calls_and_streams_pass():
    async with calling() as (_, channel):
        assert b"hello" == await channel.unary_unary(f"{ECHO}Unary")(b"hello")
        assert b"x" * 300_000 == await channel.unary_unary(f"{ECHO}Unary")(b"x" * 300_000)
        stream = channel.stream_stream(f"{ECHO}Stream")()
        for number in range(5):
            await stream.write(b"%d" % number)
            assert b"%d" % number == await stream.read()
        await stream.done_writing()
        assert grpc.aio.EOF == await stream.read()
        assert grpc.StatusCode.OK == await stream.code()


async def test_a_status_and_its_trailers_pass():
    async with calling() as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(f"{ECHO}Unary")(b"fail")
    assert grpc.StatusCode.FAILED_PRECONDITION == raised.value.code()
    assert "tolé" == raised.value.details()
    assert "told" == dict(raised.value.trailing_metadata())["x-why"]


@pytest.mark.parametrize(("timeout_s", "asked_s"), [(0.2, None), (0.0, 0.2)])
async def test_a_call_that_takes_too_long_ends(timeout_s: float, asked_s: float | None):
    async with calling(timeout_s=timeout_s) as (proxy, channel):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(f"{ECHO}Unary")(b"wait", timeout=asked_s)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == raised.value.code()
    (record,) = proxy.records.finished_records
    if asked_s is None:  # otherwise the client, the proxy and the server all end it, at once
        assert ["timeout"] == record.flags


async def test_what_a_proxy_answers_itself_is_a_status():
    async with calling() as (proxy, channel):
        proxy.serve(protocol="grpc", onward="grpc")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(f"{ECHO}Unary")(b"hello")
    assert grpc.StatusCode.UNAVAILABLE == raised.value.code()
    assert "no healthy upstream" == raised.value.details()
