from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def pem_of(key):
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def pair():
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode(), pem_of(key)


def entry(certificate, key):
    return {"Kind": "inline-certificate", "Certificate": certificate, "PrivateKey": key}


def test_certificate_with_its_key_is_taken(refusal, pair):
    assert "" == refusal(entry(*pair))


def test_key_of_another_certificate_is_refused(refusal, pair):
    other = pem_of(ec.generate_private_key(ec.SECP256R1()))

    assert "private key does not match public key" == refusal(entry(pair[0], other))


def test_texts_that_are_no_pem_are_refused(refusal, pair):
    assert "failed to parse private key PEM" == refusal(entry(pair[0], "x"))
    assert "failed to parse certificate PEM" == refusal(entry("x", pair[1]))


def test_short_rsa_key_is_refused(refusal, pair):
    short = pem_of(rsa.generate_private_key(65537, 1024))

    assert "key length must be at least 2048 bits" == refusal(entry(pair[0], short))
