"""Certificates of agents for ``tls ca create`` and ``tls cert create``, as PEM texts.

Not those of the mesh, which the servers make themselves. Keys are EC P-256. Source: Consul, agent
TLS; RFC 5280.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.connect.certificates import (
    Issuer,
    belongs,
    distinguished,
    parse_certificate,
    subject_key_id,
)
from agent.connect.keys import EC, KeyKind, PrivateKey, from_pem, generate, to_pem

BACKDATED: Final = timedelta(minutes=1)  # clocks of agents differ a little
DAYS_MAX: Final = 36_500  # a hundred years; more is a slip, and dates end in the year 9999
COMMON_NAME_CHARS_MAX: Final = 64  # ub-common-name, RFC 5280 appendix A

_KIND: Final = KeyKind(EC, 256)


class BadRequest(ValueError):
    """No certificate can be made of this; the text says why."""


class Pair(NamedTuple):
    """A certificate and its key, each as PEM. The key is a secret."""

    certificate: str
    key: str


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """A new authority. ``permitted``: the only domains it may sign for; empty is any.

    ``cluster_id`` becomes the trust domain in its identity, if there is one.
    """

    common_name: str
    days: int
    permitted: tuple[str, ...] = ()
    cluster_id: str = ""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent, or who asks agents: the first of its names is also its subject.

    ``has_purposes``: for both ends of TLS, or else for whatever a reader takes it for.
    """

    common_name: str
    days: int
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...] = ()
    has_purposes: bool = True


def make_authority(wanted: Authority, now_s: float) -> Pair:
    """A self-signed authority. Raises BadRequest."""
    key = generate(_KIND)
    serial = x509.random_serial_number()
    name = distinguished(_fitting(wanted.common_name or f"Consul Agent CA {serial}"))
    builder = _builder(key, name, name, wanted.days, now_s, serial)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(is_authority=True), critical=True)
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id)
    builder = builder.add_extension(identifier, critical=False)
    try:
        if wanted.cluster_id:
            uri = x509.UniformResourceIdentifier(f"spiffe://{wanted.cluster_id}.consul")
            builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        if wanted.permitted:
            domains = [x509.DNSName(domain) for domain in wanted.permitted]
            builder = builder.add_extension(x509.NameConstraints(domains, None), critical=True)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return _signed(builder, key, key)


def make_agent(wanted: Agent, issuer: Issuer, now_s: float) -> Pair:
    """A certificate of an authority for an agent. Raises BadRequest."""
    key = generate(_KIND)
    name = distinguished(_fitting(wanted.common_name))
    signer = issuer.certificate
    _check_permitted(wanted, signer)
    serial = x509.random_serial_number()
    builder = _builder(key, name, signer.subject, wanted.days, now_s, serial)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    ).add_extension(_usage(is_authority=False), critical=True)
    if wanted.has_purposes:
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    builder = builder.add_extension(_names(wanted), critical=False)
    identifier = x509.AuthorityKeyIdentifier(subject_key_id(signer), None, None)
    return _signed(builder.add_extension(identifier, critical=False), key, issuer.key)


def issuer_of(certificate: str, key: str) -> Issuer:
    """An authority out of its PEM texts. Raises BadRequest; no text quotes the key."""
    try:
        issuer = Issuer(parse_certificate(certificate), from_pem(key))
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if not belongs(issuer.certificate, issuer.key):
        raise BadRequest("the key is not the one of the CA")
    return issuer


def _fitting(common_name: str) -> str:
    if len(common_name) > COMMON_NAME_CHARS_MAX:
        raise BadRequest(
            f'the name "{common_name}" is too long for a subject, which has 64 characters'
        )
    return common_name


def _check_permitted(wanted: Agent, signer: x509.Certificate) -> None:
    try:
        found = signer.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    domains = [name.value for name in found.permitted_subtrees or () if _is_dns(name)]
    for name in wanted.dns_names:
        if domains and not any(name == each or name.endswith(f".{each}") for each in domains):
            raise BadRequest(f'the CA may not sign for "{name}", only for {", ".join(domains)}')


def _is_dns(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.DNSName)


def _names(wanted: Agent) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    try:
        names += [x509.DNSName(name) for name in wanted.dns_names]
        names += [x509.IPAddress(ip_address(address)) for address in wanted.ip_addresses]
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return x509.SubjectAlternativeName(names)


def _builder(
    key: PrivateKey, subject: x509.Name, issuer: x509.Name, days: int, now_s: float, serial: int
) -> x509.CertificateBuilder:
    if not 1 <= days <= DAYS_MAX:
        raise BadRequest(f"-days must be from 1 to {DAYS_MAX}, not {days}")
    now = datetime.fromtimestamp(now_s, UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(serial)
        .public_key(key.public_key())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        key_encipherment=not is_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: PrivateKey, signer: PrivateKey) -> Pair:
    certificate = builder.sign(signer, SHA256())
    return Pair(certificate.public_bytes(Encoding.PEM).decode(), to_pem(key))
