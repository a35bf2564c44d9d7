"""Private keys of the mesh, as PEM text: made, read, told by type and size.

A key is a secret: nothing here logs, and no error's text holds one.
"""

from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

EC: Final = "ec"
RSA: Final = "rsa"
EC_BITS: Final = (224, 256, 384, 521)
RSA_BITS: Final = (2048, 4096)
RSA_EXPONENT: Final = 65537  # the one that everybody uses

_CURVES: Final[dict[int, type[ec.EllipticCurve]]] = {
    224: ec.SECP224R1,
    256: ec.SECP256R1,
    384: ec.SECP384R1,
    521: ec.SECP521R1,
}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class BadKey(ValueError):
    """The text is no private key that can be used here."""


class KeyKind(NamedTuple):
    """``ec`` or ``rsa``, and the size."""

    type: str
    bits: int

    @property
    def is_slow(self) -> bool:
        """Whether making or using such a key would hold up an event loop."""
        return self.type == RSA


def generate(kind: KeyKind) -> PrivateKey:
    """A new key. RSA takes from a tenth of a second to several."""
    if kind.type == RSA:
        return rsa.generate_private_key(RSA_EXPONENT, kind.bits)
    return ec.generate_private_key(_CURVES[kind.bits]())


def kind_of(key: PrivateKey | PublicKey) -> KeyKind:
    """The type and size of a key."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey)
    return KeyKind(RSA if is_rsa else EC, key.key_size)


def to_pem(key: PrivateKey) -> str:
    """The key in the traditional form, ``EC PRIVATE KEY`` or ``RSA PRIVATE KEY``."""
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return encoded.decode()


def from_pem(text: str) -> PrivateKey:
    """The key of a PEM text. Raises BadKey."""
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: its text may quote the key.
        raise BadKey("failed to decode the private key: not an unencrypted PEM key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise BadKey("private key type must be either 'ec' or 'rsa'")
    return key
