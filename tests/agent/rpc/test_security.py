"""What connections are made with, and who may pose as a server."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from agent.rpc.security import Security, Terms, dns_names
from tests.agent.harness import make_config


class Shown(asyncio.Transport):
    """A connection that shows a certificate for these names."""

    def __init__(self, *names: str) -> None:
        super().__init__({"peercert": {"subjectAltName": [("DNS", name) for name in names]}})


@pytest.fixture
def files(tmp_path: Path) -> str:
    authority = trustme.CA()
    certificate = authority.issue_cert("server.dc1.consul")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return (
        f'cert_file = "{tmp_path}/cert.pem" key_file = "{tmp_path}/key.pem" '
        f'ca_file = "{tmp_path}/ca.pem" '
    )


def terms(keys: str) -> Terms:
    return Terms.of(make_config("-hcl", keys))


def test_without_keys_nothing_is_with_tls():
    assert terms("") == Terms()


def test_a_certificate_alone_lets_tls_in_and_plain_too(files: str):
    made = terms(files)

    assert made.incoming is not None
    assert made.outgoing is None
    assert made.is_plain_accepted


def test_all_verified_is_tls_both_ways_and_servers_by_name(files: str):
    made = terms(
        files + "verify_incoming = true verify_outgoing = true verify_server_hostname = true"
    )

    assert made.incoming is not None
    assert made.outgoing is not None
    assert made.incoming.verify_mode == ssl.CERT_REQUIRED
    assert not made.is_plain_accepted
    assert made.are_servers_named


def test_the_servers_of_a_datacenter_have_a_name():
    security = Security("dc1", "Acme.")

    assert security.server_name() == "server.dc1.acme"
    assert security.server_name("dc2") == "server.dc2.acme"


@pytest.mark.parametrize(
    ("shown", "is_taken"),
    [
        (("server.dc1.consul", "localhost"), True),
        (("SERVER.dc1.CONSUL",), True),
        (("client.dc1.consul", "localhost"), False),
        (("server.dc2.consul",), False),
        ((), False),
    ],
)
def test_a_server_is_who_has_its_name(shown: tuple[str, ...], is_taken: bool):
    security = Security("dc1", terms=Terms(are_servers_named=True))

    objection = security.objection_to_server(Shown(*shown))

    assert is_taken == (objection == "")


def test_without_names_everybody_who_came_in_may_be_a_server():
    assert Security("dc1").objection_to_server(Shown()) == ""


def test_names_are_read_and_addresses_are_not():
    certificate: dict[str, Any] = {"subjectAltName": (("DNS", "a.B"), ("IP Address", "1.2.3.4"))}

    assert dns_names(certificate) == {"a.b"}
    assert dns_names({}) == frozenset()
