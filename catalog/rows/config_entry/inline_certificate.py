"""inline-certificate: a certificate and its key, for listeners of API gateways. Since 1.15."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, validate_meta

INLINE_CERTIFICATE: Final = "inline-certificate"
RSA_BITS_MIN: Final = 2048
"""Shorter keys are not safe, and Envoy refuses them without a word."""


class InlineCertificate(Entry, frozen=True, kw_only=True, tag=INLINE_CERTIFICATE):
    """A chain, leaf first, and the leaf's key, both PEM."""

    certificate: str = ""
    private_key: str = ""

    @override
    def validate(self) -> None:
        if not self.name:
            raise Invalid("Name is required")
        validate_meta(self.meta)
        try:
            key = load_pem_private_key(self.private_key.encode(), None)
        except (ValueError, TypeError) as fault:
            raise Invalid("failed to parse private key PEM") from fault
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS_MIN:
            message = f"key length must be at least {RSA_BITS_MIN} bits"
            raise Invalid(message)
        try:
            leaf = x509.load_pem_x509_certificates(self.certificate.encode())[0]
        except ValueError as fault:
            raise Invalid("failed to parse certificate PEM") from fault
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if leaf.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
            raise Invalid("private key does not match public key")
