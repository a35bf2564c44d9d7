"""A blocking HTTP client for the agent's API: one connection a request, plain-text errors.

One connection a request keeps the client free of state that threads would share; commands make
few requests, and the agent is on this host. Source: surface.md §0 for the error conventions.
"""

import errno
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from typing_extensions import override

from agent.cli.failure import ApiError, Failure, TransportError
from agent.cli.settings import Settings

CONNECT_TIMEOUT_S: Final = 30.0  # what Go's default dialer allows
# The longest blocking query is 10 minutes plus a sixteenth of jitter; nothing is later than that.
ANSWER_TIMEOUT_S: Final = 640.0
STREAM_CHUNK_BYTES: Final = 64 * 1024  # enough to keep a snapshot from being read in crumbs
ERROR_BODY_BYTES_MAX: Final = 64 * 1024  # an error's text is for a terminal

Query = list[tuple[str, str]]


class Response(msgspec.Struct, frozen=True):
    """An answer with status 200: the whole body, and the index for the next blocking query."""

    body: bytes
    index: int = 0

    def json(self) -> Any:
        """Return the body as JSON; None when it is empty. Raises Failure when it is no JSON."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            message = f"Error decoding the agent's answer: {error}"
            raise Failure(message) from error


class Client:
    """Requests to one agent. Raises ApiError for a bad status, TransportError without one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def get(self, path: str, query: Query | None = None) -> Response:
        """GET ``path``."""
        return self.request("GET", path, query)

    def get_json(self, path: str, query: Query | None = None) -> Any:
        """GET ``path`` and decode the answer."""
        return self.request("GET", path, query).json()

    def put(self, path: str, query: Query | None = None, body: bytes = b"") -> Response:
        """PUT ``body`` to ``path``."""
        return self.request("PUT", path, query, body)

    def put_json(self, path: str, payload: Any, query: Query | None = None) -> Any:
        """PUT ``payload`` as JSON and decode the answer."""
        return self.put(path, query, json.dumps(payload).encode()).json()

    def delete(self, path: str, query: Query | None = None) -> Response:
        """DELETE ``path``."""
        return self.request("DELETE", path, query)

    def request(
        self, method: str, path: str, query: Query | None = None, body: bytes = b""
    ) -> Response:
        """Send one request and read the whole answer."""
        with self._answer(method, path, query, body) as answer:
            return Response(answer.read(), _index(answer))

    @contextmanager
    def stream(self, path: str, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """GET ``path`` and yield the body as it arrives, in pieces of any size."""
        with self._answer("GET", path, query, b"") as answer:
            yield iter(lambda: answer.read1(STREAM_CHUNK_BYTES), b"")

    @contextmanager
    def _answer(
        self, method: str, path: str, query: Query | None, body: bytes
    ) -> Iterator[http.client.HTTPResponse]:
        target = path
        if parameters := self._common_query() + (query or []):
            target += "?" + urlencode(parameters)
        connection = _connection(self.settings)
        try:
            connection.connect()
            assert connection.sock is not None
            connection.sock.settimeout(ANSWER_TIMEOUT_S)
            answer = _exchange(connection, method, target, self._headers(), body)
            if answer.status != http.client.OK:
                reason = answer.read(ERROR_BODY_BYTES_MAX).decode("utf-8", "replace")
                raise ApiError(answer.status, reason.removesuffix("\n"), index=_index(answer))
            yield answer
        except (OSError, http.client.HTTPException) as error:
            url = f"{self.settings.scheme}://{self.settings.shown_host}{target}"
            message = f'{method.capitalize()} "{url}": {self._describe(error)}'
            raise TransportError(message) from error
        finally:
            connection.close()

    def _common_query(self) -> Query:
        query = [("dc", self.settings.datacenter)] if self.settings.datacenter else []
        return [*query, ("stale", "")] if self.settings.stale else query

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": "proconsul"}
        if self.settings.token:
            headers["X-Consul-Token"] = self.settings.token
        if self.settings.authorization:
            headers["Authorization"] = self.settings.authorization
        return headers

    def _describe(self, error: Exception) -> str:
        """What went wrong in the words that Consul's users search for."""
        if self.settings.socket_path:
            where = f"dial unix {self.settings.socket_path}: connect: "
        else:
            where = f"dial tcp {self.settings.shown_host}: connect: "
        match error:
            case http.client.RemoteDisconnected() | http.client.IncompleteRead():
                return "EOF"
            case ssl.SSLCertVerificationError():
                return f"tls: failed to verify certificate: {error.verify_message}"
            case ssl.SSLError():
                return f"tls: {error.reason or error}"
            case ConnectionRefusedError():
                return where + "connection refused"
            case ConnectionResetError() | BrokenPipeError():
                return "connection reset by peer"
            case TimeoutError():
                return "i/o timeout"
            case socket.gaierror():
                return f"dial tcp: lookup {self.settings.host}: no such host"
            case OSError(errno=int(number)) if number in errno.errorcode:
                return where + os.strerror(number).lower()
            case _:
                return str(error) or type(error).__name__


def key_path(key: str) -> str:
    """Return the path of a KV entry for exactly this key.

    Slashes stay as they are unless the server would clean the path ("//", "." and ".."
    segments); then all are escaped. Raises Failure for a leading slash, as Consul's client does.
    """
    if key.startswith("/"):
        message = f"Invalid key. Key must not begin with a '/': {key}"
        raise Failure(message)
    cleaned = "//" in key or not {".", ".."}.isdisjoint(key.split("/"))
    # Arguments that are no UTF-8 arrive with surrogates (PEP 383); their bytes go out unchanged.
    return "/v1/kv/" + quote(key, safe="" if cleaned else "/", errors="surrogateescape")


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="", errors="surrogateescape")


def _index(answer: http.client.HTTPResponse) -> int:
    return int(answer.getheader("X-Consul-Index") or 0)


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
) -> http.client.HTTPResponse:
    try:
        connection.request(method, target, body or None, headers)
    except (ConnectionResetError, BrokenPipeError):
        # A refusal (413) may arrive while the body is still being sent: it is the better text.
        try:
            return connection.getresponse()
        except http.client.HTTPException:
            pass
        raise
    return connection.getresponse()


def _connection(settings: Settings) -> http.client.HTTPConnection:
    if settings.socket_path:
        return _UnixConnection(settings.socket_path)
    if settings.scheme == "https":
        return _TlsConnection(settings)
    return http.client.HTTPConnection(settings.host, settings.port, timeout=CONNECT_TIMEOUT_S)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_path: str) -> None:
        super().__init__("unix.sock", timeout=CONNECT_TIMEOUT_S)
        self._socket_path = socket_path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        self.sock.connect(self._socket_path)


class _TlsConnection(http.client.HTTPConnection):
    """HTTPS with a server name that may differ from the host."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.host, settings.port, timeout=CONNECT_TIMEOUT_S)
        self._server_name = settings.tls.server_name or settings.host
        self._context = settings.tls.context()

    @override
    def connect(self) -> None:
        super().connect()
        assert self.sock is not None
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._server_name)
