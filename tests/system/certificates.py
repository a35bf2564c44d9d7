"""Certificates of agents for tests: an authority's directory, made by the ``tls`` commands."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.cli.certificates import Agent, issuer_of, make_agent
from tests.system.agent_process import ROOT

COMMAND_WAIT_S: Final = 30.0  # a busy machine; half a second on a quiet one
# Long ago and for a day: a certificate that has ended.
EXPIRED_NOW_S: Final = 1_500_000_000.0
VERIFY_ALL: Final = (
    "verify_incoming = true",
    "verify_outgoing = true",
    "verify_server_hostname = true",
)


class Certificates:
    """An authority and what it signed, in one directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.ca = directory / "consul-agent-ca.pem"
        self._run("ca", "create")

    def issue(self, kind: str, *options: str) -> Path:
        """A new certificate of a kind (server, client, cli); its key is beside it."""
        printed = self._run("cert", "create", f"-{kind}", *options)
        start = "==> Saved "
        lines = [each for each in printed.splitlines() if each.startswith(start)]
        return self.directory / lines[0].removeprefix(start)

    def issue_expired(self, kind: str) -> Path:
        """A certificate that has ended."""
        key = (self.directory / "consul-agent-ca-key.pem").read_text()
        name = f"{kind}.dc1.consul"
        wanted = Agent(common_name=name, days=1, dns_names=(name, "localhost"))
        pair = make_agent(wanted, issuer_of(self.ca.read_text(), key), EXPIRED_NOW_S)
        path = self.directory / f"expired-{kind}.pem"
        path.write_text(pair.certificate)
        key_of(path).write_text(pair.key)
        return path

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "agent.main", "tls", *words],
            cwd=self.directory,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=COMMAND_WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def key_of(certificate: Path) -> Path:
    """Where a certificate's key is."""
    return certificate.with_name(f"{certificate.stem}-key.pem")


def tls_options(
    certificate: Path | None, ca: Path, keys: Sequence[str] = VERIFY_ALL
) -> tuple[str, ...]:
    """An agent's options: its certificate, whom it trusts, what it verifies."""
    lines = [f'ca_file = "{ca}"', *keys]
    if certificate is not None:
        lines += [f'cert_file = "{certificate}"', f'key_file = "{key_of(certificate)}"']
    return tuple(f"-hcl={line}" for line in lines)


def serial_of(pem: str) -> int:
    """The serial number of a certificate's PEM text."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.public_bytes(Encoding.PEM)
    return certificate.serial_number
