"""Certificates of the mesh: roots, leaves, and the names that are made from them.

Pure functions of their arguments, apart from the randomness within a signature. Times are seconds
since the epoch. Source: Consul, certificate authority; RFC 5280.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.connect.keys import PrivateKey, PublicKey

BACKDATED_S: Final = 60
"""A certificate is valid from a little earlier, for clocks that are behind."""


class BadPublicKey(ValueError):
    """A key of a type that is not used in the mesh."""


class Issuer(msgspec.Struct, frozen=True):
    """Who signs: a root's certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate calls its holder: an identity, and names and addresses beside it."""

    uri: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()


class Subject(msgspec.Struct, frozen=True):
    """Who a certificate is about."""

    names: Names
    common_name: str
    public_key: PublicKey


class Life(NamedTuple):
    """When a certificate is valid, in seconds since the epoch."""

    now_s: float
    length_s: float

    @property
    def start(self) -> datetime:
        """A little before now."""
        return _time(self.now_s - BACKDATED_S)

    @property
    def end(self) -> datetime:
        """The last moment."""
        return _time(self.now_s + self.length_s)


# Making.


def make_root(key: PrivateKey, subject: Subject, serial: int, life: Life) -> str:
    """A self-signed root as PEM."""
    name = distinguished(subject.common_name)
    builder = _builder(subject.public_key, serial, life.start, life.end)
    builder = _authority(builder.subject_name(name).issuer_name(name))
    builder = builder.add_extension(alternative_names(subject.names), critical=False)
    identifier = x509.AuthorityKeyIdentifier(_key_id(subject.public_key), None, None)
    return _signed(builder.add_extension(identifier, critical=False), key)


def cross_sign(root: x509.Certificate, issuer: Issuer, serial: int, now_s: float) -> str:
    """The subject and key of a new root, signed by the one before it, as PEM.

    Who trusts only the old root can verify with it what the new one signs, for as long as both of
    them last.
    """
    end = min(root.not_valid_after_utc, issuer.certificate.not_valid_after_utc)
    start = _time(now_s - BACKDATED_S)
    builder = (
        x509.CertificateBuilder()
        .serial_number(serial)
        .public_key(public_key_of(root))
        .not_valid_before(start)
        .not_valid_after(end)
        # Not made anew: what the root signed names its key by it.
        .add_extension(x509.SubjectKeyIdentifier(subject_key_id(root)), critical=False)
    )
    builder = builder.subject_name(root.subject).issuer_name(issuer.certificate.subject)
    builder = _authority(builder)
    for extension in root.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=False)
    builder = builder.add_extension(_signed_by(issuer), critical=False)
    return _signed(builder, issuer.key)


def make_intermediate(subject: Subject, issuer: Issuer, serial: int, life: Life) -> str:
    """A certificate that signs leaves and nothing else, as PEM. It does not outlive its issuer."""
    end = min(life.end, issuer.certificate.not_valid_after_utc)
    builder = _builder(subject.public_key, serial, life.start, end)
    builder = builder.subject_name(distinguished(subject.common_name))
    builder = builder.issuer_name(issuer.certificate.subject)
    builder = _authority(builder, path_length=0)
    builder = builder.add_extension(alternative_names(subject.names), critical=False)
    return _signed(builder.add_extension(_signed_by(issuer), critical=False), issuer.key)


def make_leaf(subject: Subject, issuer: Issuer, serial: int, life: Life) -> str:
    """A certificate for both ends of mutual TLS, as PEM. It does not outlive its issuer."""
    end = min(life.end, issuer.certificate.not_valid_after_utc)
    builder = _builder(subject.public_key, serial, life.start, end)
    builder = builder.subject_name(distinguished(subject.common_name))
    builder = builder.issuer_name(issuer.certificate.subject)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(alternative_names(subject.names), critical=False)
        .add_extension(_signed_by(issuer), critical=False)
    )
    return _signed(builder, issuer.key)


# Reading.


def parse_certificate(pem: str) -> x509.Certificate:
    """The first certificate of a PEM text. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem.encode())


def fingerprint(certificate: x509.Certificate) -> str:
    """The id of a root: the SHA-1 of the certificate, which here is a name and no proof."""
    return _pairs(certificate.fingerprint(SHA1()))  # noqa: S303 - the API's id, not for security


def signing_key_id(certificate: x509.Certificate) -> str:
    """The id of a certificate's key, as the API shows it."""
    return _pairs(subject_key_id(certificate))


def signed_by_key_id(certificate: x509.Certificate) -> str:
    """The id of the key that signed a certificate, in the same form; empty if it does not say."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return _pairs(found.key_identifier or b"")


def subject_key_id(certificate: x509.Certificate) -> bytes:
    """The id of a certificate's key: what it says itself, or else what would be said here."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return _key_id(public_key_of(certificate))
    return found.digest


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
    return same_key(public_key_of(certificate), key.public_key())


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether an issuer signed a certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def same_key(one: PublicKey, other: PublicKey) -> bool:
    """Whether two keys are the same."""
    return _key_id(one) == _key_id(other)


def public_key_of(certificate: x509.Certificate) -> PublicKey:
    """The key that a certificate is about. Raises BadPublicKey."""
    return usable(certificate.public_key())


def usable(key: object) -> PublicKey:
    """The key, if it is of a type that is used in the mesh. Raises BadPublicKey."""
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise BadPublicKey("public key type must be either 'ec' or 'rsa'")
    return key


def distinguished(common_name: str) -> x509.Name:
    """A subject that is a common name and nothing else."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative_names(names: Names) -> x509.SubjectAlternativeName:
    """All of a holder's names. Raises ValueError for what is no name or address."""
    return x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(names.uri),
            *(x509.DNSName(name) for name in names.dns_names),
            *(x509.IPAddress(ip_address(address)) for address in names.ip_addresses),
        ]
    )


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


def _authority(
    builder: x509.CertificateBuilder, path_length: int | None = None
) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
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


def _signed_by(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(subject_key_id(issuer.certificate), None, None)


def _signed(builder: x509.CertificateBuilder, key: PrivateKey) -> str:
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _time(moment_s: float) -> datetime:
    return datetime.fromtimestamp(int(moment_s), UTC)


def _key_id(public_key: PublicKey) -> bytes:
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).digest()


def _pairs(raw: bytes) -> str:
    return raw.hex(":")
