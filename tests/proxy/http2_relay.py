"""The two HTTP/2 codecs back to back on real sockets, with an exchange that passes all on."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from proxy.api import FilterChain
from proxy.connection import Carrier, Handler
from proxy.deadlines import Deadlines
from proxy.http import Answer, Exchange, Exchanges, Fault, Headers, RequestHead, ResponseHead
from proxy.http2_client import Http2Client
from proxy.http2_server import Http2Server
from tests.proxy.http2_world import Owner


class Plug(asyncio.Protocol):
    """A transport as the carrier of a handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def connection_made(self, transport: Any) -> None:
        carrier: Carrier = transport
        self.handler.connection_made(carrier)

    def data_received(self, chunk: bytes) -> None:
        self.handler.data_received(chunk)

    def eof_received(self) -> bool:
        return self.handler.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.handler.connection_lost(error)

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()


class Loop:
    """What a codec asks of a `Serving`, on the running loop."""

    def __init__(self) -> None:
        self.chain = FilterChain()
        self.is_draining = False
        self._loop = asyncio.get_running_loop()

    def now_s(self) -> float:
        return self._loop.time()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        if not delay_s:
            return self._loop.call_soon(call).cancel
        return self._loop.call_later(delay_s, call).cancel


class Back:
    """Takes an instance's answer and gives it to the client."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def informational(self, head: ResponseHead) -> None:
        self._answer.informational(head)

    def head(self, head: ResponseHead, *, end: bool) -> None:
        self._answer.head(head, end=end)

    def body(self, chunk: bytes) -> None:
        self._answer.body(chunk)

    def end(self, trailers: Headers) -> None:
        self._answer.end(trailers)

    def switched(self, head: ResponseHead) -> None:
        self._answer.switch(head)

    def reset(self, fault: Fault) -> None:
        self._answer.reset(fault)

    def request_paused(self) -> None:
        self._answer.pause()

    def request_resumed(self) -> None:
        self._answer.resume()


class Forth(Exchange):
    """Takes a client's request and gives it to the instance."""

    def __init__(self, head: RequestHead, answer: Answer, client: Http2Client) -> None:
        self._request = client.open(head, Back(answer))

    def body(self, chunk: bytes) -> None:
        self._request.body(chunk)

    def end(self, trailers: Headers) -> None:
        self._request.end(trailers)

    def reset(self, fault: Fault) -> None:
        self._request.reset(fault)

    def answer_paused(self) -> None:
        self._request.pause()

    def answer_resumed(self) -> None:
        self._request.resume()


class Relay:
    """Opens an exchange for each request at one connection to the instance."""

    def __init__(self, client: Http2Client) -> None:
        self._client = client
        self.refusals: list[tuple[int, str]] = []

    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        return Forth(head, answer, self._client)

    def refused(self, status: int, detail: str) -> None:
        self.refusals.append((status, detail))


class Canned(Exchange):
    """Answers by itself: ``/N`` with N bytes, anything else with how many bytes came."""

    def __init__(self, head: RequestHead, answer: Answer) -> None:
        self._answer = answer
        self._left = -1
        self._is_paused = False
        self._came = 0
        self._target = head.target

    def body(self, chunk: bytes) -> None:
        self._came += len(chunk)

    def end(self, trailers: Headers) -> None:
        is_size = self._target[1:].isdigit()
        text = b"" if is_size else b"%d" % self._came
        self._left = int(self._target[1:]) if is_size else len(text)
        length = (b"content-length", b"%d" % self._left)
        self._answer.head(ResponseHead(status=200, headers=[length]), end=False)
        if text:
            self._left = 0
            self._answer.body(text)
        self._write()

    def _write(self) -> None:
        while self._left > 0 and not self._is_paused:
            size = min(65_536, self._left)
            self._left -= size
            self._answer.body(bytes(size))
        if not self._left:
            self._left = -1
            self._answer.end([])

    def reset(self, fault: Fault) -> None:
        self._left = -1

    def answer_paused(self) -> None:
        self._is_paused = True

    def answer_resumed(self) -> None:
        self._is_paused = False
        self._write()


class Cannery:
    """Opens exchanges that answer by themselves."""

    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        exchange = Canned(head, answer)
        if not head.has_body:
            # Not within the opening: an exchange can be told to pause only after it.
            asyncio.get_running_loop().call_soon(exchange.end, [])
        return exchange

    def refused(self, status: int, detail: str) -> None:
        raise AssertionError(detail)


@asynccontextmanager
async def serving(exchanges: Exchanges, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a port of loopback; gives it."""
    loop = asyncio.get_running_loop()
    chain: Any = Loop()

    def plug() -> Plug:
        deadlines = Deadlines(chain.now_s, chain.call_later)
        return Plug(Http2Server(chain, exchanges, deadlines))

    server = await loop.create_server(plug, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def connected(port: int) -> Http2Client:
    """A connection to an instance on loopback."""
    loop = asyncio.get_running_loop()
    chain = Loop()
    client = Http2Client(Owner(), chain.now_s, chain.call_later)
    await loop.create_connection(lambda: Plug(client), "127.0.0.1", port)
    return client
