"""TLS contexts from the keys of one protocol."""

import ssl
from pathlib import Path

import msgspec
import pytest
import trustme

from agent.config.sections_security import TLSProtocol
from agent.tls import TlsError, client_context, failure_reason, server_context

PATH = "tls.internal_rpc"


@pytest.fixture
def keys(tmp_path: Path) -> TLSProtocol:
    authority = trustme.CA()
    certificate = authority.issue_cert("server.dc1.consul")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return TLSProtocol(
        ca_file=str(tmp_path / "ca.pem"),
        cert_file=str(tmp_path / "cert.pem"),
        key_file=str(tmp_path / "key.pem"),
        tls_min_version="TLSv1_2",
    )


def test_no_version_below_1_2_is_offered_whatever_is_asked_for(keys: TLSProtocol):
    old = msgspec.structs.replace(keys, tls_min_version="TLSv1_0")
    new = msgspec.structs.replace(keys, tls_min_version="TLSv1_3")

    assert server_context(old, PATH).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context(old, PATH).minimum_version == ssl.TLSVersion.TLSv1_2
    assert server_context(new, PATH).minimum_version == ssl.TLSVersion.TLSv1_3


def test_clients_need_a_certificate_exactly_when_it_is_verified(keys: TLSProtocol):
    strict = msgspec.structs.replace(keys, verify_incoming=True)

    assert server_context(keys, PATH).verify_mode == ssl.CERT_NONE
    assert server_context(strict, PATH).verify_mode == ssl.CERT_REQUIRED


def test_servers_are_always_verified_and_named_when_asked_for(keys: TLSProtocol):
    strict = msgspec.structs.replace(keys, verify_server_hostname=True)

    assert client_context(keys, PATH).verify_mode == ssl.CERT_REQUIRED
    assert not client_context(keys, PATH).check_hostname
    assert client_context(strict, PATH).check_hostname


def test_only_the_named_authorities_are_trusted(keys: TLSProtocol):
    assert len(client_context(keys, PATH).get_ca_certs()) == 1


def test_all_files_of_a_directory_are_authorities(keys: TLSProtocol, tmp_path: Path):
    directory = tmp_path / "trusted"
    directory.mkdir()
    for number in range(2):
        trustme.CA().cert_pem.write_to_path(str(directory / f"{number}.crt"))
    there = msgspec.structs.replace(keys, ca_file="", ca_path=str(directory))

    assert len(server_context(there, PATH).get_ca_certs()) == 2


def test_the_suites_of_tls_1_2_are_those_that_are_named(keys: TLSProtocol):
    one = msgspec.structs.replace(keys, tls_cipher_suites="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")

    ciphers = server_context(one, PATH).get_ciphers()

    older = [each["name"] for each in ciphers if each["protocol"] != "TLSv1.3"]
    assert older == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


@pytest.mark.parametrize("key", ["ca_file", "ca_path", "cert_file", "key_file"])
def test_what_cannot_be_read_is_named_with_its_section(keys: TLSProtocol, key: str):
    lost = msgspec.structs.replace(keys, **({"ca_file": ""} if key == "ca_path" else {}))
    lost = msgspec.structs.replace(lost, **{key: "/nonexistent/file"})

    with pytest.raises(TlsError, match=r"tls\.internal_rpc.*/nonexistent/file"):
        server_context(lost, PATH)


def test_a_directory_without_files_is_refused(keys: TLSProtocol, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    empty = msgspec.structs.replace(keys, ca_file="", ca_path=str(tmp_path / "empty"))

    with pytest.raises(TlsError, match="no file in this directory"):
        server_context(empty, PATH)


def test_reasons_are_short():
    assert failure_reason(ConnectionResetError(104, "Connection reset")) == "connection reset"
    assert failure_reason(ValueError()) == "ValueError"
