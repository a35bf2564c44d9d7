"""Claims about ``tls ca create`` and ``tls cert create``: files, names, refusals."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from agent.cli.commands.tls import SERVER_WARNING

CA_SAVED = "==> Saved consul-agent-ca.pem\n==> Saved consul-agent-ca-key.pem\n"
USING = "==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ca(here: Path, cli) -> Path:
    assert cli("tls", "ca", "create").code == 0
    return here


def names_in(file: Path) -> tuple[list[str], list[str]]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    return names.get_values_for_type(x509.DNSName), addresses


def test_an_authority_is_saved_with_a_key_that_only_its_owner_reads(here: Path, cli):
    result = cli("tls", "ca", "create")

    assert (result.code, result.out) == (0, CA_SAVED)
    assert stat.S_IMODE((here / "consul-agent-ca-key.pem").stat().st_mode) == 0o600


def test_an_authority_is_never_overwritten(ca: Path, cli):
    before = (ca / "consul-agent-ca.pem").read_bytes()

    again = cli("tls", "ca", "create")

    assert (again.code, again.err) == (1, "consul-agent-ca.pem already exists.\n")
    assert before == (ca / "consul-agent-ca.pem").read_bytes()


def test_a_server_certificate_has_the_names_that_agents_ask_for(ca: Path, cli):
    result = cli("tls", "cert", "create", "-server", "-node=s1", "-additional-ipaddress=10.0.0.1")

    assert result.out == (
        f"{SERVER_WARNING}\n{USING}"
        "==> Saved dc1-server-consul-0.pem\n==> Saved dc1-server-consul-0-key.pem\n"
    )
    assert names_in(ca / "dc1-server-consul-0.pem") == (
        ["s1.server.dc1.consul", "server.dc1.consul", "localhost"],
        ["10.0.0.1", "127.0.0.1"],
    )
    assert stat.S_IMODE((ca / "dc1-server-consul-0-key.pem").stat().st_mode) == 0o600


def test_a_client_certificate_is_numbered_after_the_one_before(ca: Path, cli):
    cli("tls", "cert", "create", "-client", "-dc=dc2")

    second = cli("tls", "cert", "create", "-client", "-dc=dc2", "-additional-dnsname=x.example")

    assert "==> Saved dc2-client-consul-1.pem\n" in second.out
    assert names_in(ca / "dc2-client-consul-1.pem") == (
        ["x.example", "client.dc2.consul", "localhost"],
        ["127.0.0.1"],
    )


def test_a_users_certificate_has_two_names_and_no_address(ca: Path, cli):
    cli("tls", "cert", "create", "-cli")

    assert names_in(ca / "dc1-cli-consul-0.pem") == (["cli.dc1.consul", "localhost"], [])


def test_another_domain_has_files_of_its_own(here: Path, cli):
    made = cli("tls", "ca", "create", "-domain=acme")
    used = cli("tls", "cert", "create", "-server", "-domain=acme")

    assert made.out.startswith("==> Saved acme-agent-ca.pem\n")
    assert "==> Saved dc1-server-acme-0.pem\n" in used.out
    assert names_in(here / "dc1-server-acme-0.pem")[0] == ["server.dc1.acme", "localhost"]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((), "Please provide either -server, -client, or -cli"),
        (("-server", "-client"), "Please provide either -server, -client, or -cli"),
        (("-client", "-node=n"), "-node requires -server"),
        (("-server", "-ca="), "Please provide the ca"),
        (("-server", "-key="), "Please provide the key"),
        (("-server", "-ca=none.pem"), "Error reading CA: open none.pem: no such file or directory"),
        (("-server", "-days=0"), "-days must be from 1 to 36500, not 0"),
        (("-server", "-additional-ipaddress=ten"), "'ten' does not appear to be an IPv4"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(ca: Path, cli, flags, reason):
    result = cli("tls", "cert", "create", *flags)

    assert result.code == 1
    assert reason in result.err
    assert not list(ca.glob("dc1-*"))
