"""aiohttp's lane: every request that the fast lane leaves, through aiohttp's low-level server.

Bodies are read here under the route's limit; a body that is too large is refused before it is read
and drained afterwards, so that the client can always read why.
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

import structlog

# Not all of aiohttp.web: its routing, files and command line are 2 MiB that nothing here uses.
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server
from typing_extensions import override

from agent.http.call import Answer, Call, HttpError, Query
from agent.http.connection import Connection
from agent.http.fast import Headers
from agent.http.front import Front
from agent.http.handlers.kv import too_large
from agent.http.route import Found

_log = structlog.get_logger("agent.http")

BODY_BYTES_MAX: Final = 16 * 1024 * 1024  # far above any registration; bounds memory
HEAD_LINE_BYTES_MAX: Final = 1024 * 1024  # heads are limited as a whole before they come here
HEADERS_MAX: Final = 1000  # fields in a head
NO_HOST: Final = ": missing required Host header"
# aiohttp knows nothing of the fast lane and would close a connection that it thinks is idle.
KEEP_ALIVE_S: Final = 365 * 24 * 3600.0


class _Protocol(RequestHandler):
    """aiohttp's protocol; its own refusals say what Go's server says, and echo nothing."""

    __slots__ = ()

    @override
    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        if status == HTTPStatus.BAD_REQUEST:
            _log.debug("unreadable request", client=request.remote, error=str(exc))
        else:
            _log.error("request failed", client=request.remote, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        text = f"{status} {HTTPStatus(status).phrase}"
        if "'Host'" in (message or ""):
            text += NO_HOST
        response = Response(status=status, text=text)
        response.headers["Server"] = "proconsul"
        response.force_close()
        return response


class _Server(Server):
    @override
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


def make(front: Front) -> Server:
    """aiohttp's server around the front door."""

    async def handle(request: BaseRequest) -> StreamResponse:
        return await _handle(front, request)

    return _Server(
        handle,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=HEAD_LINE_BYTES_MAX,
        max_field_size=HEAD_LINE_BYTES_MAX,
        max_headers=HEADERS_MAX,
        auto_decompress=False,
    )


async def _handle(front: Front, request: BaseRequest) -> StreamResponse:
    source = ""
    if request.transport is not None:
        peer = request.transport.get_extra_info("peername")
        source = peer[0] if isinstance(peer, tuple) else ""
        connection = request.transport.get_protocol()
        if isinstance(connection, Connection):
            connection.slow_began()
    headers = Headers(request.headers.items())
    found: Found | None = None
    target = request.raw_path
    if target.startswith("http://"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    try:
        if request.version >= (1, 1) and "host" not in headers:
            raise HttpError(400, f"400 Bad Request{NO_HOST}")
        found, query = front.found(request.method, target)
        body = await _body(front, request, found)
    except HttpError as error:
        call = Call(front, request.method, target, Query(""), headers, b"", source)
        answer = front.refusal(error, call, found)
        response = await _respond(front, request, call, answer)
        if error.status in {400, 413}:
            response.force_close()
        return response
    call = Call(front, request.method, target, query, headers, body, source)
    answer = await front.answer(call, found)
    return await _respond(front, request, call, answer)


async def _body(front: Front, request: BaseRequest, found: Found) -> bytes:
    route = found.methods.get(request.method)
    limit, setting = _limit(front, route.pattern if route else "")
    if request.content_length is not None and request.content_length > limit:
        raise HttpError(413, too_large(request.content_length, limit, setting))
    if not request.can_read_body:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks = bytearray()
    try:
        async with asyncio.timeout(front.settings.body_timeout_s):
            async for chunk in request.content.iter_any():
                chunks += chunk
                if len(chunks) > limit:
                    raise HttpError(413, too_large(len(chunks), limit, setting))
    except TimeoutError:
        raise HttpError(408, "The request body did not come in time") from None
    return bytes(chunks)


def _limit(front: Front, pattern: str) -> tuple[int, str]:
    """How large a body may be, and the setting that says so."""
    settings = front.settings
    if pattern.startswith("/v1/kv/"):
        return settings.kv_value_bytes_max, "kv_max_value_size"
    if pattern == "/v1/txn":
        # Values are base64 in JSON: a value that the key API takes fits here too.
        text_bytes = settings.kv_value_bytes_max * 4 // 3 + 4096
        return max(settings.txn_body_bytes_max, text_bytes), "txn_max_req_len"
    if pattern == "/v1/snapshot":
        return settings.snapshot_bytes_max, "snapshot"
    return BODY_BYTES_MAX, "body"


async def _respond(
    front: Front, request: BaseRequest, call: Call, answer: Answer
) -> StreamResponse:
    if answer.stream is not None:
        return await _stream(front, request, answer)
    status, headers, body = front.render(answer, call)
    response = Response(status=status, body=body)
    _set_headers(response, headers)
    return response


def _set_headers(response: StreamResponse, headers: list[tuple[str, str]]) -> None:
    response.headers["Server"] = "proconsul"
    for name, value in headers:
        response.headers[name] = value


async def _stream(front: Front, request: BaseRequest, answer: Answer) -> StreamResponse:
    assert answer.stream is not None
    response = StreamResponse(status=answer.status)
    content_type = answer.content_type or "text/plain; charset=utf-8"
    _set_headers(response, [*front.common, ("Content-Type", content_type)])
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for chunk in answer.stream:
            await response.write(chunk)
    finally:
        if isinstance(answer.stream, AsyncGenerator):
            await answer.stream.aclose()
    await response.write_eof()
    return response
