"""Two services of one agent speak through their sidecars: real agent, real worker, real traffic."""

import http.client
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, free_ports, wait_until

pytestmark = pytest.mark.system

# A default check of a sidecar runs each 10 s, so an own one is given that runs at once.
QUICK = [{"TTL": "600s", "Status": "passing"}]


class Application(http.server.BaseHTTPRequestHandler):
    """Says the path it was asked for, and who asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"hello {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def application() -> Iterator[int]:
    """An HTTP application's port."""
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Application)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


class Mesh:
    """An agent with services back and front, where front's upstream is back."""

    def __init__(self, agent: AgentProcess, application: int) -> None:
        self.agent = agent
        self.back, self.front, self.upstream = free_ports(3)
        upstream = {"DestinationName": "back", "LocalBindPort": self.upstream}
        self.register("back", application, self.back)
        self.register("front", 1, self.front, Upstreams=[upstream])

    def register(self, name: str, port: int, sidecar_port: int, **proxy: Any) -> None:
        """A service with a sidecar whose check passes at once."""
        sidecar = {"Port": sidecar_port, "Checks": QUICK, "Proxy": proxy}
        body = {"Name": name, "Port": port, "Connect": {"SidecarService": sidecar}}
        self.put("/v1/agent/service/register", body)

    def put(self, path: str, body: Any) -> None:
        """A write that must be taken."""
        connection = self.agent.connection(10.0)
        connection.request("PUT", path, json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        assert 200 == answer.status, text
        connection.close()

    def ask(self) -> tuple[int, str]:
        """What front gets of back; 0 if there is no answer at all."""
        connection = http.client.HTTPConnection(LOOPBACK, self.upstream, timeout=5.0)
        try:
            connection.request("GET", "/x")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def wait_for(self, status: int) -> None:
        """Wait until front gets this status."""
        wait_until(lambda: self.ask()[0] == status, what=f"status {status}")


@pytest.fixture(params=["tcp", "http"])
def mesh(request: pytest.FixtureRequest, tmp_path: Path, application: int) -> Iterator[Mesh]:
    agent = AgentProcess(tmp_path).start()
    try:
        made = Mesh(agent, application)
        defaults = {"Kind": "proxy-defaults", "Name": "global"}
        made.put("/v1/config", {**defaults, "Config": {"protocol": request.param}})
        yield made
    finally:
        agent.stop()


def test_front_reaches_back_through_both_sidecars_until_it_may_not(mesh: Mesh) -> None:
    mesh.wait_for(200)
    assert "hello /x" == mesh.ask()[1]
    protocol = mesh.agent.get("/v1/discovery-chain/back").json["Chain"]["Protocol"]

    deny = {"Kind": "service-intentions", "Name": "back"}
    mesh.put("/v1/config", {**deny, "Sources": [{"Name": "front", "Action": "deny"}]})
    mesh.wait_for(403 if protocol == "http" else 0)

    mesh.put("/v1/config", {**deny, "Sources": [{"Name": "front", "Action": "allow"}]})
    mesh.wait_for(200)

    explained = mesh.agent.get("/v1/internal/mesh/explain?source=front&destination=back").json
    assert explained["Shares"][0]["Verdict"]["Allowed"]
    assert explained["Certificate"]["Local"]


def test_nobody_reaches_back_without_a_certificate(mesh: Mesh) -> None:
    mesh.wait_for(200)

    with socket.create_connection((LOOPBACK, mesh.back), timeout=5.0) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received = _all_of(plain.recv)

    assert b"hello" not in received


def _all_of(receive: Callable[[int], bytes]) -> bytes:
    received = b""
    try:
        while part := receive(4096):
            received += part
    except (ConnectionError, TimeoutError):
        pass
    return received
