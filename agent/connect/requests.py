"""Signing requests: what an agent asks the authority to certify, made and read.

A request names exactly one identity, and no e-mail address; DNS names and IP addresses are copied
into the certificate. Source: Consul, Connect leaf certificates; RFC 2986.
"""

from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.connect.certificates import (
    Names,
    alternative_names,
    distinguished,
    usable,
)
from agent.connect.keys import PrivateKey, PublicKey

NAMES_MAX: Final = 1024  # more hosts than a gateway has; each is bytes in every handshake


class BadSigningRequest(ValueError):
    """A signing request that cannot be read, is not signed by its key, or asks for too much."""


class SigningRequest(NamedTuple):
    """What is asked for, and the key that it is asked for."""

    names: Names
    public_key: PublicKey


def make_request(key: PrivateKey, names: Names, common_name: str) -> str:
    """A signing request as PEM. Raises BadSigningRequest for what is no name or address."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished(common_name))
    try:
        builder = builder.add_extension(alternative_names(names), critical=False)
    except ValueError as error:
        message = f"certificate asked for with a wrong name: {error}"
        raise BadSigningRequest(message) from None
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def parse_request(pem: str) -> SigningRequest:
    """What a signing request asks for. Raises BadSigningRequest."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        valid = request.is_signature_valid
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        public_key = usable(request.public_key())
    except (ValueError, x509.ExtensionNotFound) as error:
        raise BadSigningRequest(str(error)) from None
    if not valid:
        raise BadSigningRequest("CSR signature is not valid")
    return SigningRequest(_names(names), public_key)


def _names(names: x509.SubjectAlternativeName) -> Names:
    if len(list(names)) > NAMES_MAX:
        message = f"CSR SAN contains more than {NAMES_MAX} names"
        raise BadSigningRequest(message)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        message = f"CSR SAN contains an invalid number of URIs: {len(uris)}"
        raise BadSigningRequest(message)
    if names.get_values_for_type(x509.RFC822Name):
        raise BadSigningRequest("CSR SAN does not allow specifying email addresses")
    return Names(
        uri=uris[0],
        dns_names=tuple(names.get_values_for_type(x509.DNSName)),
        ip_addresses=tuple(str(each) for each in names.get_values_for_type(x509.IPAddress)),
    )
