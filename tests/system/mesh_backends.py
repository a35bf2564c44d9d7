"""Applications behind sidecars that speak something else than a few lines of HTTP/1.1."""

import contextlib
import hashlib
import http.server
import os
import queue
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import h2.config
import h2.connection
import h2.events
import websockets.sync.server
from typing_extensions import override

from tests.system.agent_process import LOOPBACK

BULK_BYTES = 50_000_000
"""A body far larger than every buffer on its way."""
CHUNK_BYTES = 1 << 16
BULK = os.urandom(CHUNK_BYTES)
"""What a large body repeats."""


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    """Have a server serve in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def bulk() -> Iterator[bytes]:
    """A large body, piece by piece."""
    left = BULK_BYTES
    while left:
        yield BULK[: min(left, CHUNK_BYTES)]
        left -= min(left, CHUNK_BYTES)


def digest(pieces: Iterable[bytes]) -> str:
    """The SHA-256 of what comes in pieces."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


@contextmanager
def bulk_app() -> Iterator[int]:
    """GET gives a large body, PUT the digest of what it got; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._head(BULK_BYTES)
            for piece in bulk():
                self.wfile.write(piece)

        def do_PUT(self) -> None:
            text = digest(self._body(int(self.headers["Content-Length"]))).encode()
            self._head(len(text))
            self.wfile.write(text)

        def _body(self, left: int) -> Iterator[bytes]:
            while left:
                piece = self.rfile.read(min(left, CHUNK_BYTES))
                yield piece
                left -= len(piece)

        def _head(self, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    with served(server):
        yield server.server_address[1]


class Events:
    """Events that an application sends one at a time, each when `send` is called."""

    def __init__(self) -> None:
        self.port = 0
        self.texts: queue.Queue[bytes] = queue.Queue()

    def send(self, text: bytes) -> None:
        """Have the application send an event; an empty one is the end."""
        self.texts.put(text)


@contextmanager
def event_app() -> Iterator[Events]:
    """An application over HTTP/1.1 whose one answer is a stream of events, in chunks."""
    events = Events()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            text = b"-"
            while text:
                text = events.texts.get()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    events.port = server.server_address[1]
    with served(server):
        yield events


@contextmanager
def unix_app(path: str) -> Iterator[None]:
    """An application on a Unix socket that says ``from a socket``."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line == b"\r\n":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nfrom a socket")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with served(Server(path, Handler)):
        yield


@contextmanager
def counting_app() -> Iterator[int]:
    """Over TCP: reads until the other side has said everything, then says how much that was."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                count = 0
                while chunk := self.request.recv(CHUNK_BYTES):
                    count += len(chunk)
                self.request.sendall(str(count).encode())

    server = _Threads((LOOPBACK, 0), Handler)
    with served(server):
        yield server.server_address[1]


@contextmanager
def http2_app() -> Iterator[int]:
    """An application over HTTP/2 without TLS that answers with the path it was asked for."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _speak_http2(self.request)

    server = _Threads((LOOPBACK, 0), Handler)
    with served(server):
        yield server.server_address[1]


def _speak_http2(stream: socket.socket) -> None:
    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    stream.sendall(connection.data_to_send())
    paths: dict[int, str] = {}
    while received := stream.recv(CHUNK_BYTES):
        for event in connection.receive_data(received):
            match event:
                case h2.events.RequestReceived():
                    paths[event.stream_id] = dict(event.headers)[":path"]  # type: ignore[index]  # utf-8
                case h2.events.DataReceived():
                    connection.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                case h2.events.StreamEnded():
                    body = paths.pop(event.stream_id).encode()
                    connection.send_headers(event.stream_id, [(":status", "200")])
                    connection.send_data(event.stream_id, body, end_stream=True)
        stream.sendall(connection.data_to_send())


class _Echo(grpc.GenericRpcHandler):
    """Methods of all kinds, on bytes."""

    def __init__(self) -> None:
        self._calls: Counter[bytes] = Counter()

    @override
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        methods = {
            "/echo/unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "/echo/many": grpc.unary_stream_rpc_method_handler(self._many),
            "/echo/sum": grpc.stream_unary_rpc_method_handler(self._sum),
            "/echo/both": grpc.stream_stream_rpc_method_handler(self._both),
            "/echo/fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "/echo/hang": grpc.unary_unary_rpc_method_handler(self._hang),
            "/echo/second": grpc.unary_unary_rpc_method_handler(self._second),
        }
        return methods.get(details.method)

    def _unary(self, asked: bytes, context: grpc.ServicerContext) -> bytes:
        told = dict(context.invocation_metadata()).get("asked-by", "nobody")
        context.send_initial_metadata((("told", told),))
        context.set_trailing_metadata((("said", "goodbye"), ("raw-bin", b"\x00\xff")))
        return asked[::-1]

    def _many(self, asked: bytes, _: grpc.ServicerContext) -> Iterator[bytes]:
        return (bytes(1000) for _ in range(int(asked)))

    def _sum(self, asked: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        return str(sum(map(int, asked))).encode()

    def _both(self, asked: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        for part in asked:
            yield part.upper()

    def _fail(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: ü")
        return b""

    def _second(self, asked: bytes, context: grpc.ServicerContext) -> bytes:
        """The first call with these bytes fails."""
        self._calls[asked] += 1
        if self._calls[asked] == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return str(self._calls[asked]).encode()

    def _hang(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(30.0)
        return b""


@contextmanager
def grpc_app() -> Iterator[int]:
    """A gRPC server; its port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@contextmanager
def websocket_app() -> Iterator[int]:
    """Sends back what it gets; ``bye`` makes it close with 4001."""

    def handle(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            if message == "bye":
                connection.close(4001, "as you say")
                return
            connection.send(message)

    with websockets.sync.server.serve(handle, LOOPBACK, 0, max_size=1 << 22) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()
