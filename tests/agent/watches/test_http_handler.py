"""Handlers of watches that are HTTP requests."""

import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.watches.definition import Http
from agent.watches.handler import run_handler
from agent.watches.views import View
from catalog.duration import MILLISECOND

VIEW = View(42, b'{"a":1}\n')


async def logged(handler: Http) -> list[str]:
    with structlog.testing.capture_logs() as entries:
        await run_handler(handler, VIEW)
    return [entry["event"] for entry in entries]


async def test_a_request_carries_view_index_and_headers():
    seen: list[object] = []

    async def hear(request: web.Request) -> web.Response:
        headers = request.headers
        seen.extend([request.method, await request.read(), headers.getall("X-A")])
        seen.extend([headers["X-Consul-Index"], headers["Content-Type"]])
        return web.Response(status=200 if request.path == "/yes" else 500, text="x")

    app = web.Application()
    app.router.add_route("*", "/{name}", hear)
    async with TestServer(app) as server:
        headers = (("X-A", "1"), ("X-A", "2"))
        good = await logged(Http(url=str(server.make_url("/yes")), headers=headers))
        bad = await logged(Http(url=str(server.make_url("/no")), method="PUT", headers=headers))

    assert seen[:5] == ["POST", b'{"a":1}\n', ["1", "2"], "42", "application/json"]
    assert (good, bad) == (["watch handler answered"], ["watch handler refused"])


async def test_a_server_that_is_not_there_or_slow_is_told():
    async def never(_request: web.Request) -> web.Response:
        raise ConnectionAbortedError

    app = web.Application()
    async with TestServer(app) as server:
        url = str(server.make_url("/"))

    assert await logged(Http(url=url, timeout_ns=500 * MILLISECOND)) == [
        "watch handler did not answer"
    ]
