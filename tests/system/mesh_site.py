"""Services with sidecars on real agents, what stands behind them, and callers that count.

A service is registered as a user does it: with ``connect { sidecar_service { … } }`` and no more.
The agent starts the proxy. A caller speaks plain HTTP or TCP to the port of an upstream.
"""

import contextlib
import http.client
import json
import socket
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.system.agent_process import LOOPBACK, AgentProcess, free_ports, wait_until

# A worker starts, a leaf is signed and a check passes; on two busy cores some seconds.
REACH_WAIT_S = 30.0
CALL_TIMEOUT_S = 10.0
# Between two calls of a steady caller.
CALL_PAUSE_S = 0.005


@dataclass(frozen=True)
class Answer:
    """One answer through the mesh; ``served_by`` is the backend's name for itself."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def served_by(self) -> str:
        """The instance that answered; empty for an answer of a proxy."""
        return self.headers.get("X-Served-By", "")

    @property
    def seen(self) -> dict[str, Any]:
        """The request as the backend saw it: method, path, headers, body."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Sidecar:
    """A registered service: its agent, id, public port and the ports of its upstreams by name."""

    agent: AgentProcess
    id: str
    service: str
    port: int
    upstreams: Mapping[str, int]

    @property
    def proxy_id(self) -> str:
        """The id of its proxy."""
        return f"{self.id}-sidecar-proxy"

    def call(self, upstream: str, path: str = "/", **options: Any) -> Answer:
        """Ask an upstream. Raises OSError or HTTPException when nobody answers."""
        return call(self.upstreams[upstream], path, **options)

    def reaches(self, upstream: str) -> bool:
        """Whether an upstream answers 200."""
        try:
            return self.call(upstream).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_reach(self, upstream: str) -> None:
        """Return once an upstream answers 200."""
        wait_until(
            lambda: self.reaches(upstream),
            timeout_s=REACH_WAIT_S,
            what=f"{self.service} reaches {upstream}",
        )

    def deregister(self) -> None:
        """Take it off its agent."""
        self.agent.put_ok(f"/v1/agent/service/deregister/{self.id}")


def register(
    agent: AgentProcess,
    service: str,
    port: int,
    *,
    instance: str = "",
    upstreams: Sequence[str | Mapping[str, Any]] = (),
    meta: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    checks: Sequence[Mapping[str, Any]] = (),
    more: Mapping[str, Any] | None = None,
    proxy: Mapping[str, Any] | None = None,
    public_port: int = 0,
    is_checked: bool = False,
) -> Sidecar:
    """Register a service with a sidecar; an upstream is a name, or a map as the API takes it.

    ``more`` is of the service, ``proxy`` of its sidecar's Proxy; both as the API takes them.
    ``is_checked``: callers hear of the sidecar once it listens; one that calls before is refused,
    and sets it aside for long.
    """
    made = [_upstream(each) for each in upstreams]
    public_port = public_port or free_ports(1)[0]
    # The usual checks, which come after ten seconds.
    sidecar_checks = [{"Name": "alias", "AliasService": instance or service}]
    if is_checked:
        listening = {"Name": "listening", "TCP": f"{LOOPBACK}:{public_port}", "Interval": "1s"}
        sidecar_checks.append(listening)
    sidecar = {
        "Port": public_port,
        "Proxy": {"Upstreams": made, "Config": dict(config or {}), **(proxy or {})},
        "Checks": sidecar_checks,
    }
    definition = {
        "Name": service,
        "ID": instance or service,
        "Port": port,
        "Address": LOOPBACK,
        "Meta": dict(meta or {}),
        "Checks": list(checks),
        "Connect": {"SidecarService": sidecar},
        **(more or {}),
    }
    agent.put_ok("/v1/agent/service/register", definition)
    ports = {each["DestinationName"]: each.get("LocalBindPort", 0) for each in made}
    return Sidecar(agent, instance or service, service, public_port, ports)


def _upstream(wanted: str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"DestinationName": wanted} if isinstance(wanted, str) else dict(wanted)
    if not given.keys() & {"LocalBindPort", "LocalBindSocketPath"}:
        (given["LocalBindPort"],) = free_ports(1)
    return given


def write_entry(agent: AgentProcess, kind: str, name: str, **fields: Any) -> None:
    """Write a config entry."""
    agent.put_ok("/v1/config", {"Kind": kind, "Name": name, **fields})


def delete_entry(agent: AgentProcess, kind: str, name: str) -> None:
    """Delete a config entry."""
    answer = agent.delete(f"/v1/config/{kind}/{name}")
    assert answer.status == 200, answer.body


def speak(agent: AgentProcess, protocol: str, *services: str) -> None:
    """Have services speak a protocol."""
    for service in services:
        write_entry(agent, "service-defaults", service, Protocol=protocol)


def intend(agent: AgentProcess, source: str, destination: str, action: str) -> None:
    """Set an intention."""
    path = f"/v1/connect/intentions/exact?source={source}&destination={destination}"
    agent.put_ok(path, {"SourceType": "consul", "Action": action})


def call(
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = CALL_TIMEOUT_S,
) -> Answer:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


# What stands behind.


class App:
    """A backend over HTTP that says who it is and what it was asked.

    ``status`` and ``delay_s`` are of the next answers; ``requests`` are counted by method and path.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.delay_s = 0.0
        self.requests: Counter[tuple[str, str]] = Counter()
        self.port = 0
        self._lock = threading.Lock()

    def note(self, method: str, path: str) -> None:
        """Count a request."""
        with self._lock:
            self.requests[method, path] += 1

    @property
    def count(self) -> int:
        """All requests so far."""
        with self._lock:
            return self.requests.total()


@contextmanager
def app(name: str, tls: ssl.SSLContext | None = None) -> Iterator[App]:
    """A backend on a port of the kernel's choice; it speaks TLS if it is told how."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    made = App(name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: 40 ms an answer

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            made.note(self.command, self.path)
            if made.delay_s:
                time.sleep(made.delay_s)
            seen = {
                "method": self.command,
                "path": self.path,
                "headers": [list(pair) for pair in self.headers.items()],
                "body": body.decode(errors="replace"),
            }
            answer = json.dumps(seen).encode()
            self.send_response(made.status)
            self.send_header("X-Served-By", made.name)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server((LOOPBACK, 0), Handler)
    made.port = server.server_address[1]
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with _serving(server):
        yield made


@contextmanager
def echo(greeting: bytes = b"") -> Iterator[int]:
    """A TCP backend that sends back what it gets, after a greeting; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if greeting:
                self.request.sendall(greeting)
            with contextlib.suppress(OSError):
                while chunk := self.request.recv(65536):
                    self.request.sendall(chunk)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

    server = Server((LOOPBACK, 0), Handler)
    with _serving(server):
        yield server.server_address[1]


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Who calls.


class Line:
    """One TCP connection through an upstream, line by line."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), CALL_TIMEOUT_S)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, text: bytes) -> bytes:
        """Send, and take as much back; less when the connection ended."""
        self._socket.sendall(text)
        taken = b""
        while len(taken) < len(text) and (chunk := self._socket.recv(65536)):
            taken += chunk
        return taken

    def wait_end(self, timeout_s: float) -> float:
        """Seconds until the other side ended it. Raises TimeoutError."""
        began = time.monotonic()
        self._socket.settimeout(timeout_s)
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(65536):
                pass
        return time.monotonic() - began


@dataclass
class Tally:
    """What became of the calls of a steady caller: by status or error, and by who served."""

    outcomes: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def note(self, outcome: str, served_by: str = "") -> None:
        """Count one call."""
        self.outcomes[outcome] += 1
        if served_by:
            self.served[served_by] += 1
        if outcome != "200" and len(self.failures) < 20:
            self.failures.append(f"{time.monotonic():.3f} {outcome}")


@contextmanager
def calling(
    port: int, *, threads: int = 2, keep_alive: bool = True, method: str = "GET"
) -> Iterator[Tally]:
    """Callers that ask an upstream again and again until the block ends."""
    tally = Tally()
    ending = threading.Event()
    lock = threading.Lock()

    def run() -> None:
        connection: http.client.HTTPConnection | None = None
        while not ending.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(LOOPBACK, port, timeout=CALL_TIMEOUT_S)
            try:
                connection.request(method, "/")
                answer = connection.getresponse()
                answer.read()
                outcome, served = str(answer.status), answer.headers.get("X-Served-By", "")
                is_closed = answer.will_close
            except (OSError, http.client.HTTPException) as error:
                outcome, served, is_closed = repr(error), "", True
            with lock:
                tally.note(outcome, served)
            if is_closed or not keep_alive:
                connection.close()
                connection = None
            ending.wait(CALL_PAUSE_S)
        if connection is not None:
            connection.close()

    started = [threading.Thread(target=run) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield tally
    finally:
        ending.set()
        for thread in started:
            thread.join()


def wait_served(tally: Tally, names: Callable[[Counter[str]], bool], what: str) -> None:
    """Return once the counts of who served are as wanted."""
    wait_until(lambda: names(tally.served), timeout_s=REACH_WAIT_S, what=what)
