"""Certificates of the mesh: roots, leaves, requests, and the names that are made from them.

Pure functions of their arguments, apart from the randomness within a signature. Times are seconds
since the epoch. Source: Consul, certificate authority; RFC 5280.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.connect.keys import PrivateKey, PublicKey

ROOT_LIFETIME_DAYS: Final = 3650
BACKDATED_S: Final = 60
"""A certificate is valid from a little earlier, for clocks that are behind."""


class BadRequestForCertificate(ValueError):
    """A signing request that cannot be read or whose signature is wrong."""


class Issuer(msgspec.Struct, frozen=True):
    """Who signs: a root's certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey


class Subject(msgspec.Struct, frozen=True):
    """Who a certificate is about."""

    uri: str
    common_name: str
    public_key: PublicKey


# Making.


def make_root(key: PrivateKey, uri: str, common_name: str, serial: int, now_s: float) -> str:
    """A self-signed root as PEM."""
    name = _name(common_name)
    public_key = key.public_key()
    start = _time(now_s)
    builder = _builder(public_key, serial, start, start + timedelta(days=ROOT_LIFETIME_DAYS))
    builder = _authority(builder.subject_name(name).issuer_name(name))
    builder = builder.add_extension(_uri(uri), critical=False)
    return _signed(builder.add_extension(_authority_id(public_key), critical=False), key)


def cross_sign(root: x509.Certificate, issuer: Issuer, serial: int, now_s: float) -> str:
    """The subject and key of a new root, signed by the one before it, as PEM.

    Who trusts only the old root can verify with it what the new one signs.
    """
    end = min(root.not_valid_after_utc, issuer.certificate.not_valid_after_utc)
    public_key = _public_key(root)
    builder = _builder(public_key, serial, _time(now_s - BACKDATED_S), end)
    builder = builder.subject_name(root.subject).issuer_name(issuer.certificate.subject)
    builder = _authority(builder)
    for extension in root.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=False)
    identifier = _authority_id(_public_key(issuer.certificate))
    return _signed(builder.add_extension(identifier, critical=False), issuer.key)


def make_leaf(
    subject: Subject, issuer: Issuer, serial: int, now_s: float, lifetime_s: float
) -> str:
    """A certificate for both ends of mutual TLS, as PEM. It does not outlive its issuer."""
    end = min(_time(now_s + lifetime_s), issuer.certificate.not_valid_after_utc)
    builder = _builder(subject.public_key, serial, _time(now_s - BACKDATED_S), end)
    builder = builder.subject_name(_name(subject.common_name))
    builder = builder.issuer_name(issuer.certificate.subject)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(_uri(subject.uri), critical=False)
        .add_extension(_authority_id(_public_key(issuer.certificate)), critical=False)
    )
    return _signed(builder, issuer.key)


def make_request(key: PrivateKey, uri: str, common_name: str) -> str:
    """A signing request as PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name))
    request = builder.add_extension(_uri(uri), critical=False).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()


# Reading.


def parse_certificate(pem: str) -> x509.Certificate:
    """The first certificate of a PEM text. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem.encode())


def parse_request(pem: str) -> tuple[str, PublicKey]:
    """The only URI and the public key of a signing request. Raises BadRequestForCertificate."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        valid = request.is_signature_valid
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise BadRequestForCertificate(str(error)) from None
    if not valid:
        raise BadRequestForCertificate("CSR signature is not valid")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        message = f"CSR SAN contains an invalid number of URIs: {len(uris)}"
        raise BadRequestForCertificate(message)
    return uris[0], _supported(request.public_key())


def fingerprint(certificate: x509.Certificate) -> str:
    """The id of a root: the SHA-1 of the certificate, which here is a name and no proof."""
    return _pairs(certificate.fingerprint(SHA1()))  # noqa: S303 - the API's id, not for security


def signing_key_id(certificate: x509.Certificate) -> str:
    """The id of a certificate's key, as the API shows it."""
    return _pairs(_key_id(_public_key(certificate)))


def serial_text(serial: int) -> str:
    """A serial number as the API shows it for leaves."""
    return _pairs(serial.to_bytes((serial.bit_length() + 7) // 8 or 1, "big"))


def rfc3339(moment: datetime) -> str:
    """A time as the API shows it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def chained(pems: Sequence[str]) -> str:
    """Several PEM certificates one after another."""
    return "".join(pem.strip() + "\n" for pem in pems)


def belongs(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether a certificate is about a key."""
    return _key_id(_public_key(certificate)) == _key_id(key.public_key())


# Parts.


def _builder(
    public_key: PublicKey, serial: int, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .serial_number(serial)
        .public_key(public_key)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier(_key_id(public_key)), critical=False)
    )


def _authority(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return builder.add_extension(constraints, critical=True).add_extension(
        _usage(leaf=False), critical=True
    )


def _usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=leaf,
        data_encipherment=leaf,
        key_agreement=leaf,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        content_commitment=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_id(public_key: PublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(_key_id(public_key), None, None)


def _signed(builder: x509.CertificateBuilder, key: PrivateKey) -> str:
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _uri(uri: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _time(moment_s: float) -> datetime:
    return datetime.fromtimestamp(int(moment_s), UTC)


def _key_id(public_key: PublicKey) -> bytes:
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).digest()


def _public_key(certificate: x509.Certificate) -> PublicKey:
    return _supported(certificate.public_key())


def _supported(key: object) -> PublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise BadRequestForCertificate("public key type must be either 'ec' or 'rsa'")
    return key


def _pairs(raw: bytes) -> str:
    return raw.hex(":")
