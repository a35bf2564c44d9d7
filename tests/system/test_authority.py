"""Leaves and roots of a real agent, used by real TLS peers while both change.

Source: hashicorp/consul#10871, #16779, #5239, #9443; the API of /v1/connect/ca.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.connect.chains import is_trusted
from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, wait_until
from tests.system.wan import datacenter, wan_address

pytestmark = pytest.mark.system

LEAF = "/v1/agent/connect/ca/leaf/web"
CONFIGURATION = "/v1/connect/ca/configuration"
LEAF_LIFE_S = 5
CALL_INTERVAL_S = 0.1
CALL_TIMEOUT_S = 10.0


class Credentials:
    """The newest leaf and roots of an agent, followed as a proxy does; as contexts of TLS."""

    def __init__(self, agent: AgentProcess, folder: Path) -> None:
        self._agent = agent
        self._folder = folder
        self._index = 0
        self.serials: list[str] = []
        self.pems: tuple[Path, str] = (folder, "")
        self.refresh()

    def refresh(self) -> None:
        """Wait for a newer leaf for a while, and take the newest roots."""
        answer = self._agent.get(f"{LEAF}?index={self._index}&wait=1s", timeout_s=30.0)
        leaf, self._index = answer.json, answer.index
        if leaf["SerialNumber"] not in self.serials:
            self.serials.append(leaf["SerialNumber"])
        file = self._folder / leaf["SerialNumber"].replace(":", "")
        file.write_text(leaf["CertPEM"] + leaf["PrivateKeyPEM"])
        roots = self._agent.get("/v1/connect/ca/roots").json["Roots"]
        self.pems = (file, "".join(root["RootCert"] for root in roots))

    def context(self, protocol: int) -> ssl.SSLContext:
        """For one more connection; the peer must have a leaf below one of the roots."""
        file, roots = self.pems
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=roots)
        context.load_cert_chain(file)
        return context


class Traffic:
    """An echo server and its callers: one long stream, and a new connection ten times a second."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._listener = socket.create_server((LOOPBACK, 0))
        self._ended = threading.Event()
        self.failures: list[str] = []
        self.calls = self.rounds = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the traffic flow until the end of the block."""
        work = (self._follow, self._serve, self._call_again_and_again, self._stream)
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            with closing(socket.create_connection(self._listener.getsockname())):
                pass  # so that the server looks
            for thread in threads:
                thread.join(CALL_TIMEOUT_S)
            self._listener.close()

    def _follow(self) -> None:
        while not self._ended.is_set():
            self._credentials.refresh()

    def _serve(self) -> None:
        while not self._ended.is_set():
            plain, _ = self._listener.accept()
            threading.Thread(target=self._echo, args=(plain,), daemon=True).start()

    def _echo(self, plain: socket.socket) -> None:
        if self._ended.is_set():
            plain.close()
            return
        plain.settimeout(CALL_TIMEOUT_S)
        try:
            context = self._credentials.context(ssl.PROTOCOL_TLS_SERVER)
            with context.wrap_socket(plain, server_side=True) as secured:
                while received := secured.recv(100):
                    secured.sendall(received)
        except OSError as error:
            self.failures.append(f"server: {error!r}")

    @contextmanager
    def _connected(self) -> Iterator[ssl.SSLSocket]:
        context = self._credentials.context(ssl.PROTOCOL_TLS_CLIENT)
        plain = socket.create_connection(self._listener.getsockname(), CALL_TIMEOUT_S)
        with context.wrap_socket(plain) as secured:
            yield secured

    def _call_again_and_again(self) -> None:
        while not self._ended.wait(CALL_INTERVAL_S):
            try:
                with self._connected() as secured:
                    secured.sendall(b"call")
                    assert secured.recv(100) == b"call"
                self.calls += 1
            except OSError as error:
                self.failures.append(f"call: {error!r}")

    def _stream(self) -> None:
        try:
            with self._connected() as secured:
                while not self._ended.wait(CALL_INTERVAL_S):
                    secured.sendall(b"stream")
                    assert secured.recv(100) == b"stream"
                    self.rounds += 1
        except OSError as error:
            self.failures.append(f"stream: {error!r}")


def configure(agent: AgentProcess, **config: Any) -> None:
    agent.put_ok(CONFIGURATION, {"Provider": "consul", "Config": config})


def roots(agent: AgentProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.get("/v1/connect/ca/roots").json["Roots"]
    return found


@pytest.mark.timeout(120)
def test_nobody_notices_that_leaves_and_roots_change(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    agent = start_agent()
    configure(agent, LeafCertTTL=f"{LEAF_LIFE_S}s", SkipValidate=True)
    credentials = Credentials(agent, tmp_path)
    traffic = Traffic(credentials)

    with traffic.running():
        wait_until(lambda: len(credentials.serials) >= 3, timeout_s=40, what="two renewals")
        before = roots(agent)
        agent.put_ok("/v1/connect/ca/rotate")
        seen = len(credentials.serials)
        wait_until(lambda: len(credentials.serials) >= seen + 2, timeout_s=40, what="new leaves")
        current = agent.get(LEAF).json["SerialNumber"]

    after = roots(agent)
    assert traffic.failures == []
    assert traffic.calls > 50
    assert traffic.rounds > 50
    assert current in credentials.serials[seen:]
    assert [root["Active"] for root in after].count(True) == 1
    assert before[0]["ID"] in {root["ID"] for root in after if not root["Active"]}


def test_a_revoked_leaf_is_worthless_within_a_second(start_agent: AgentStarter) -> None:
    agent = start_agent()
    first = agent.get(LEAF)
    question = {
        "Target": "db",
        "ClientCertURI": first.json["ServiceURI"],
        "ClientCertSerial": first.json["SerialNumber"],
    }
    before = agent.request("POST", "/v1/agent/connect/authorize", json.dumps(question).encode())

    began = time.monotonic()
    agent.put_ok(f"/v1/connect/ca/revoke?serial={first.json['SerialNumber']}&reason=stolen")
    after = agent.request("POST", "/v1/agent/connect/authorize", json.dumps(question).encode())
    renewed = agent.get(f"{LEAF}?index={first.index}&wait=10s", timeout_s=30.0)
    took_s = time.monotonic() - began

    assert (before.json["Authorized"], after.json["Authorized"]) == (True, False)
    assert renewed.json["SerialNumber"] != first.json["SerialNumber"]
    assert took_s < 1.0
    printed = agent.run("connect", "ca", "revocations").stdout.decode()
    assert first.json["SerialNumber"] in printed
    assert "stolen" in printed


def test_gauges_tell_when_certificates_end(start_agent: AgentStarter) -> None:
    agent = start_agent()
    agent.get(LEAF)

    rows = agent.get("/v1/agent/metrics").json["Gauges"]

    days = {
        row["Name"].partition(".mesh.")[2]: row["Value"] / 86400.0
        for row in rows
        if ".mesh." in row["Name"]
    }
    assert days["active-root-ca.expiry"] == pytest.approx(3650, abs=1)
    assert days["active-signing-ca.expiry"] == pytest.approx(3650, abs=1)
    assert days["leaf-cert.expiry"] == pytest.approx(3, abs=0.1)


@pytest.mark.timeout(90)
def test_datacenters_of_one_mesh_trust_each_other(start_agent: AgentStarter) -> None:
    """The second one, whose leader is there first, waits for the first and is certified by it."""
    far = datacenter(start_agent, 2, '-hcl=primary_datacenter = "dc1"')
    near = datacenter(start_agent, 1)
    assert roots(far) == []

    assert far.run("join", "-wan", wan_address(near)).returncode == 0
    wait_until(lambda: roots(far), timeout_s=30.0, what="an intermediate of the primary")

    assert [root["RootCert"] for root in roots(near)] == [root["RootCert"] for root in roots(far)]
    leaf = far.get(LEAF).json
    domain = near.get("/v1/connect/ca/roots").json["TrustDomain"]
    assert leaf["ServiceURI"] == f"spiffe://{domain}/ns/default/dc/dc2/svc/web"
    assert is_trusted(leaf["CertPEM"], [roots(near)[0]["RootCert"]], time.time())
