"""An authority that a test holds the key of, so that it can sign what the servers never would."""

import os
import socket
import ssl
import time
from pathlib import Path
from tempfile import mkstemp

from agent.connect.certificates import (
    Issuer,
    Life,
    Names,
    Subject,
    make_leaf,
    make_root,
    parse_certificate,
)
from agent.connect.keys import EC, KeyKind, generate, to_pem
from tests.system.agent_process import LOOPBACK, AgentProcess

ROOTS = "/v1/connect/ca/roots"
LIFE_S = 3600.0
WAIT_S = 10.0


class Authority:
    """Signs leaves with any name and life; nobody trusts it before `take_over`."""

    def __init__(self, folder: Path, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self._folder = folder
        self._serial = 1 << 64  # beyond those of the servers
        key = generate(KeyKind(EC, 256))
        subject = Subject(Names(uri=f"spiffe://{trust_domain}"), "Test root", key.public_key())
        self.root_pem = make_root(key, subject, 1, Life(time.time(), LIFE_S * 24))
        self._issuer = Issuer(parse_certificate(self.root_pem), key)

    def take_over(self, agent: AgentProcess) -> None:
        """Be the authority of the agent's cluster from now on."""
        config = {"PrivateKey": to_pem(self._issuer.key), "RootCert": self.root_pem}
        body = {"Provider": "consul", "Config": config}
        agent.put_ok("/v1/connect/ca/configuration", body)

    def service_uri(self, service: str, trust_domain: str = "") -> str:
        """The URI of a service, of this trust domain or another one."""
        return f"spiffe://{trust_domain or self.trust_domain}/ns/default/dc/dc1/svc/{service}"

    def leaf(self, uri: str, *, ended_s_ago: float = 0.0) -> Path:
        """A file with a leaf and its key; one that ended, if it is to have."""
        key = generate(KeyKind(EC, 256))
        self._serial += 1
        now_s = time.time()
        life = Life(now_s - LIFE_S, LIFE_S - ended_s_ago) if ended_s_ago else Life(now_s, LIFE_S)
        subject = Subject(Names(uri=uri), "leaf", key.public_key())
        pem = make_leaf(subject, self._issuer, self._serial, life) + to_pem(key)
        return file_of(self._folder, pem)


def leaf_of_agent(agent: AgentProcess, service: str, folder: Path) -> tuple[str, Path]:
    """The serial number of a service's leaf, and a file with it and its key."""
    leaf = agent.get(f"/v1/agent/connect/ca/leaf/{service}").json
    return leaf["SerialNumber"], file_of(folder, leaf["CertPEM"] + leaf["PrivateKeyPEM"])


def file_of(folder: Path, text: str) -> Path:
    """A new file with this text."""
    handle, name = mkstemp(".pem", dir=folder)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return Path(name)


def mutual_tls(plain: socket.socket, leaf: Path | None) -> ssl.SSLSocket:
    """Shake hands as a client of the mesh that believes everybody. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if leaf is not None:
        context.load_cert_chain(leaf)
    return context.wrap_socket(plain)


def say(port: int, text: bytes, leaf: Path | None) -> bytes:
    """All that comes back for a text that is said over TLS; empty when nobody listens to it."""
    received = b""
    try:
        with (
            socket.create_connection((LOOPBACK, port), WAIT_S) as plain,
            mutual_tls(plain, leaf) as secured,
        ):
            secured.sendall(text)
            while chunk := secured.recv(65536):
                received += chunk
    except TimeoutError:
        raise
    except OSError:
        pass
    return received
