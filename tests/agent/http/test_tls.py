"""The TLS context that a configuration asks for."""

import ssl

import pytest
import trustme

from agent.http.tls import https_context
from agent.tls import TlsError
from tests.agent.harness import make_config


@pytest.fixture
def files(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return (
        f'cert_file = "{tmp_path}/cert.pem" key_file = "{tmp_path}/key.pem" '
        f'ca_file = "{tmp_path}/ca.pem" '
    )


def test_tls_1_2_is_the_oldest_and_clients_need_no_certificate(files):
    context = https_context(make_config("-hcl", files))

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE


def test_incoming_certificates_are_asked_for_when_configured(files):
    context = https_context(make_config("-hcl", files + "verify_incoming = true"))

    assert context.verify_mode == ssl.CERT_REQUIRED


def test_an_unreadable_file_is_named(files, tmp_path):
    config = make_config("-hcl", files)
    (tmp_path / "key.pem").write_text("no key")

    with pytest.raises(TlsError, match=r"key\.pem"):
        https_context(config)
