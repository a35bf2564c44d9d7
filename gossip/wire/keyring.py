"""The keys of a pool, and AES-GCM payloads made and opened with them.

Payload: version (u8), nonce (12 bytes), ciphertext, tag (16 bytes). Version 1 encrypts the plain
bytes; version 0 pads them first to whole blocks of 16 (PKCS#7, a whole block when aligned).
The first key is the primary: only it encrypts, all of them decrypt. A keyring is a value:
changing it gives another one, so a packet is never opened with half a change. The nonce is an
argument; it must be random and fresh for every payload.
Source: memberlist's security and keyring (facts), NIST SP 800-38D.
"""

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from gossip.wire.errors import KeyringError, Reason, WireError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZES_BYTES: Final = (16, 24, 32)  # AES-128, AES-192, AES-256
KEYS_MAX: Final = 256
"""A packet without a fitting key costs one attempt a key; rotations need two or three."""

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
BLOCK_BYTES: Final = 16
PADDED_VERSION: Final = 0
PLAIN_VERSION: Final = 1
OVERHEAD_BYTES: Final = 1 + NONCE_BYTES + TAG_BYTES
"""What version 1 adds to a message. Version 0 adds up to ``BLOCK_BYTES`` more."""


class Keyring:
    """An ordered set of keys, primary first; empty means that encryption is off."""

    __slots__ = ("_ciphers", "_keys")

    def __init__(self, *keys: bytes) -> None:
        """Keep ``keys`` (16, 24 or 32 bytes each), the first as primary; repeats are dropped."""
        self._keys = tuple(dict.fromkeys(bytes(key) for key in keys))
        for key in self._keys:
            if len(key) not in KEY_SIZES_BYTES:
                raise KeyringError("key size must be 16, 24 or 32 bytes")
        if len(self._keys) > KEYS_MAX:
            raise KeyringError(f"a keyring holds at most {KEYS_MAX} keys")
        self._ciphers = tuple(_cipher(key) for key in self._keys)

    @override
    def __repr__(self) -> str:
        return f"Keyring({len(self._keys)} keys)"

    @property
    def enabled(self) -> bool:
        """Whether there is a key to encrypt with."""
        return bool(self._keys)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The raw keys, primary first. Secret: never log them."""
        return self._keys

    def add(self, key: bytes) -> "Keyring":
        """With ``key`` last (or as primary, if it is the first); unchanged if it is present."""
        return self if key in self._keys else Keyring(*self._keys, key)

    def use(self, key: bytes) -> "Keyring":
        """With ``key`` as primary. Raises KeyringError if it is absent."""
        if key not in self._keys:
            raise KeyringError("Requested key is not in the keyring")
        return Keyring(key, *self._keys)

    def remove(self, key: bytes) -> "Keyring":
        """Without ``key``; unchanged if absent. Raises KeyringError for the primary."""
        if self._keys and key == self._keys[0]:
            raise KeyringError("Removing the primary key is not allowed")
        return Keyring(*(kept for kept in self._keys if kept != key))

    def encrypt(
        self, plain: bytes, *, nonce: bytes, associated: bytes, version: int = PLAIN_VERSION
    ) -> bytes:
        """Make the payload of ``plain`` with the primary key; ``associated`` is only signed."""
        assert self._ciphers, "no key to encrypt with"
        assert len(nonce) == NONCE_BYTES, "a nonce is 12 bytes"
        assert version in {PADDED_VERSION, PLAIN_VERSION}, "payload versions are 0 and 1"
        if version == PADDED_VERSION:
            padding = BLOCK_BYTES - len(plain) % BLOCK_BYTES
            plain += bytes((padding,)) * padding
        return bytes((version,)) + nonce + self._ciphers[0].encrypt(nonce, plain, associated)

    def decrypt(self, payload: bytes, *, associated: bytes) -> bytes:
        """Open ``payload`` with the first key that fits.

        Raises WireError: TRUNCATED if it is too short, UNSUPPORTED version, UNDECRYPTABLE
        without a fitting key, MALFORMED padding.
        """
        if len(payload) < OVERHEAD_BYTES:
            raise WireError(Reason.TRUNCATED, "encrypted payload is too short")
        from cryptography.exceptions import InvalidTag

        version = payload[0]
        if version > PLAIN_VERSION:
            raise WireError(Reason.UNSUPPORTED, f"encryption version {version}")
        nonce, sealed = payload[1 : 1 + NONCE_BYTES], payload[1 + NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(nonce, sealed, associated)
            except InvalidTag:
                continue
            return _without_padding(plain) if version == PADDED_VERSION else plain
        raise WireError(Reason.UNDECRYPTABLE, "no installed keys could decrypt the message")


def _cipher(key: bytes) -> "AESGCM":
    # Cryptography takes 6 MiB, which a pool without keys need not have.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _without_padding(plain: bytes) -> bytes:
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= min(BLOCK_BYTES, len(plain)):
        raise WireError(Reason.MALFORMED, "padding of an encrypted payload")
    return plain[:-padding]
