"""What can be wrong with bytes from the network, as one error class with a countable reason.

Everything in ``gossip.wire`` that reads raises ``WireError`` and nothing else for any input, so
that a receive path needs one ``except`` and one counter for each ``Reason``. ``KeyringError`` is
an operator's mistake in a key operation, with the text that Serf's key commands show.
"""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why bytes were refused; the value is the counter's label."""

    EMPTY = "empty"
    """No bytes where a message must be."""
    TRUNCATED = "truncated"
    """The bytes end before the declared length."""
    MALFORMED = "malformed"
    """Not msgpack, not LZW, or a field of the wrong kind or range."""
    OVERSIZED = "oversized"
    """A size, count or depth over its named limit."""
    UNSUPPORTED = "unsupported"
    """An unknown type, version or algorithm, or a known one where it may not be."""
    CHECKSUM = "checksum"
    """The CRC does not match."""
    LABEL = "label"
    """The label is missing, unexpected or another one."""
    UNDECRYPTABLE = "undecryptable"
    """No installed key opens the payload."""
    PLAINTEXT = "plaintext"
    """Encryption is required and the peer sent none."""
    ENCRYPTED = "encrypted"
    """The peer sent an encrypted stream and no key is configured."""


class WireError(Exception):
    """Bytes that cannot be read or may not be written."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def without_frames(self) -> Self:
        """This error as a value to keep: no traceback or cause of it holds on to what was read."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class KeyringError(ValueError):
    """A key operation that the keyring's rules refuse; the text is for the operator."""
