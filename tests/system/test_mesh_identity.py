"""The right peer, or nobody: whom a sidecar lets in, and whom it sends its requests to.

Source: istio/istio#26324, istio/istio#9744.
"""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.mesh_authority import ROOTS, Authority, leaf_of_agent, mutual_tls, say
from tests.system.mesh_site import Sidecar, app, intend, register, speak

pytestmark = pytest.mark.system

HANDSHAKE_TIMEOUT_S = 0.5
REQUEST = b"GET / HTTP/1.1\r\nHost: back\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret"


class Backend:
    """Counts the connections that it gets, and answers each at once."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0


@contextmanager
def backend() -> Iterator[Backend]:
    made = Backend()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.connections += 1
            with suppress(OSError):
                if self.request.recv(65536):
                    self.request.sendall(ANSWER)

    server = socketserver.TCPServer((LOOPBACK, 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Site:
    """``back`` behind its sidecar, in a mesh whose authority's key is known."""

    def __init__(self, agent: AgentProcess, folder: Path, protocol: str, backend: Backend) -> None:
        self.agent = agent
        self.folder = folder
        self.backend = backend
        self.refusal = b"" if protocol == "tcp" else b"HTTP/1.1 403 "
        self.authority = Authority(folder, agent.get(ROOTS).json["TrustDomain"])
        self.authority.take_over(agent)
        speak(agent, protocol, "back")
        settings = {"handshake_timeout_ms": HANDSHAKE_TIMEOUT_S * 1000}
        self.back: Sidecar = register(agent, "back", backend.port, config=settings)
        self.friend = self.authority.leaf(self.authority.service_uri("friend"))
        intend(agent, "enemy", "back", "deny")
        wait_until(lambda: self.is_let_in(self.friend), timeout_s=30.0, what="back is reached")
        enemy = self.authority.leaf(self.authority.service_uri("enemy"))
        wait_until(lambda: not self.is_let_in(enemy), what="the denial")

    def is_let_in(self, leaf: Path) -> bool:
        return b"secret" in say(self.back.port, REQUEST, leaf)

    def assert_kept_out(self, leaf: Path | None) -> bytes:
        """What somebody is told who does not get in; the application learns nothing of it."""
        before = self.backend.connections
        told = say(self.back.port, REQUEST, leaf)
        assert b"secret" not in told
        assert self.is_let_in(self.friend), "others are let in as before"
        assert self.backend.connections == before + 1
        return told


@pytest.fixture(scope="module", params=["tcp", "http"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("identity")
    starter = AgentStarter(folder)
    with backend() as behind:
        try:
            yield Site(starter("-datacenter=dc1"), folder, request.param, behind)
        finally:
            starter.end_all()


def test_plain_bytes_are_not_answered(site: Site) -> None:
    before = site.backend.connections

    with socket.create_connection((LOOPBACK, site.back.port), 10.0) as plain:
        plain.sendall(REQUEST)
        received = b""
        with suppress(ConnectionError):
            received = plain.recv(65536)

    assert b"" == received
    assert before == site.backend.connections


def test_who_shows_no_certificate_is_kept_out(site: Site) -> None:
    assert b"" == site.assert_kept_out(None)


def test_a_certificate_of_another_authority_is_worth_nothing(site: Site) -> None:
    stranger = Authority(site.folder, site.authority.trust_domain)

    assert b"" == site.assert_kept_out(stranger.leaf(stranger.service_uri("friend")))


def test_a_certificate_that_ended_is_worth_nothing(site: Site) -> None:
    ended = site.authority.leaf(site.authority.service_uri("friend"), ended_s_ago=5.0)

    assert b"" == site.assert_kept_out(ended)


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/friend",
        "spiffe://{domain}/agent/client/dc/dc1/id/node-a",
        "spiffe://{domain}/gateway/mesh/dc/dc1",
        "spiffe://{domain}",
        "spiffe://{domain}/ns/default/dc/dc1/svc/friend/more",
        "https://{domain}/ns/default/dc/dc1/svc/friend",
    ],
    ids=["foreign", "agent", "gateway", "authority", "long", "https"],
)
def test_who_is_no_service_of_this_mesh_is_kept_out(site: Site, uri: str) -> None:
    leaf = site.authority.leaf(uri.format(domain=site.authority.trust_domain))

    told = site.assert_kept_out(leaf)

    assert site.refusal == told[: len(b"HTTP/1.1 403 ")]


def test_a_denied_service_is_kept_out(site: Site) -> None:
    told = site.assert_kept_out(site.authority.leaf(site.authority.service_uri("enemy")))

    assert site.refusal == told[: len(b"HTTP/1.1 403 ")]


def test_a_revoked_certificate_is_worth_nothing(site: Site) -> None:
    serial, leaf = leaf_of_agent(site.agent, "other", site.folder)
    assert site.is_let_in(leaf)

    site.agent.put_ok(f"/v1/connect/ca/revoke?serial={serial}&reason=stolen")

    wait_until(lambda: not site.is_let_in(leaf), timeout_s=2.0, what="its refusal")
    assert b"" == site.assert_kept_out(leaf)


def test_a_handshake_that_is_not_ended_is_dropped(site: Site) -> None:
    for started in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
        with socket.create_connection((LOOPBACK, site.back.port), 10.0) as idle:
            idle.sendall(started)
            began = time.monotonic()
            with suppress(ConnectionError):
                assert b"" == idle.recv(65536)
            took_s = time.monotonic() - began

        assert HANDSHAKE_TIMEOUT_S * 0.8 < took_s < HANDSHAKE_TIMEOUT_S + 2.0


def test_what_is_sent_after_a_handshake_is_held_to_no_time(site: Site) -> None:
    with (
        socket.create_connection((LOOPBACK, site.back.port), 10.0) as plain,
        mutual_tls(plain, site.friend) as secured,
    ):
        time.sleep(HANDSHAKE_TIMEOUT_S * 2)  # the wait is what is tested
        secured.sendall(REQUEST)

        assert b"secret" in secured.makefile("rb").read()


@pytest.mark.parametrize("domain", ["own", "foreign"])
def test_authorize_knows_its_own_trust_domain_alone(site: Site, domain: str) -> None:
    foreign = "" if domain == "own" else "11111111-2222-3333-4444-555555555555.consul"
    question = {
        "Target": "back",
        "ClientCertURI": site.authority.service_uri("friend", foreign),
        "ClientCertSerial": "01",
    }

    answer = site.agent.request(
        "POST", "/v1/agent/connect/authorize", json.dumps(question).encode()
    ).json

    assert (domain == "own") == answer["Authorized"], answer


def test_who_answers_at_a_stale_address_must_be_who_was_meant(agent: AgentProcess) -> None:
    """The sidecar of one service is gone, and that of another one listens where it did."""
    with app("right") as right, app("wrong") as wrong:
        speak(agent, "http", "moved", "usurper")
        usurper = register(agent, "usurper", wrong.port)
        moved = {
            "Name": "moved",
            "Port": right.port,
            "Address": LOOPBACK,
            "Connect": {
                "SidecarService": {
                    "Port": usurper.port,
                    "Proxy": {"Config": {"proconsul_managed": False}},
                    "Checks": [{"Name": "alias", "AliasService": "moved"}],
                }
            },
        }
        agent.put_ok("/v1/agent/service/register", moved)
        front = register(agent, "caller", 1, upstreams=["moved", "usurper"])
        front.wait_reach("usurper")
        seen = wrong.count

        answers = [front.call("moved") for _ in range(5)]

        assert {503} == {answer.status for answer in answers}, answers
        assert (0, seen) == (right.count, wrong.count)
        register(agent, "moved", right.port)
        front.wait_reach("moved")
        assert "right" == front.call("moved").served_by
        assert seen == wrong.count
