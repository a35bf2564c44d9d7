"""HTTP over a bare socket: every byte of the request is the test's own.

http.client refuses or repairs what these tests must send (two lengths, half a header, pipelining),
so requests are bytes and only answers are parsed.
"""

import http.client
import socket
from types import TracebackType

from tests.system.agent_process import LOOPBACK, Response

# Longer than any time limit of the server that a test waits for.
SOCKET_TIMEOUT_S = 20.0


class RawConnection:
    """One TCP connection to the API. Use as a context manager."""

    def __init__(self, port: int, timeout_s: float = SOCKET_TIMEOUT_S) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout_s)
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both directions at once."""
        self.stream.close()
        self.socket.close()

    def send(self, request: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(request)

    def get(self, path: str) -> Response:
        """GET on this connection, kept alive."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        return self.read()

    def read(self, *, body: bool = True) -> Response:
        """The next answer; ConnectionError if the server closed instead.

        `body=False` reads the head alone, as for HEAD and 100 Continue.
        """
        line = self.stream.readline()
        if not line:
            raise ConnectionResetError("closed without an answer")
        assert line.startswith(b"HTTP/1."), line
        headers = http.client.parse_headers(self.stream)
        content = self.read_body(headers) if body else b""
        return Response(int(line.split()[1]), headers, content, 0.0)

    def read_body(self, headers: http.client.HTTPMessage) -> bytes:
        """The body as its headers frame it."""
        if headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.stream.readline().split(b";")[0], 16):
                parts.append(self.stream.read(size))
                self.stream.readline()
            self.stream.readline()
            return b"".join(parts)
        if "Content-Length" in headers:
            return self.stream.read(int(headers["Content-Length"]))
        return self.stream.read()

    def is_closed_by_server(self) -> bool:
        """Whether the server ends the connection; waits as long as the socket's limit."""
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
