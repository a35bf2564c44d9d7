"""A small HTTP server on loopback whose answer a test changes as it goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """What the server answers now, and where it listens."""

    def __init__(self, answer: Callable[[str], Answer], port: int) -> None:
        self.answer = answer
        self.port = port
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """The server's address as a URL without a path."""
        return f"http://127.0.0.1:{self.port}"


def fixed(status: int, body: bytes = b"", **headers: str) -> Callable[[str], Answer]:
    """An answer that does not look at the path."""
    return lambda _path: (status, headers, body)


@contextmanager
def serve_site(answer: Callable[[str], Answer]) -> Iterator[Site]:
    """Serve on a port of the kernel's choice until the block ends; each path asked is recorded."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.paths.append(self.path)
            status, headers, body = site.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(answer, server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
