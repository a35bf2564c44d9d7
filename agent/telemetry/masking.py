"""Keeps secrets out of the log: fields that by their name hold one, and tokens in URLs.

A key of the key-value store is no secret, so a plain ``key`` stays; keys that encrypt or sign have
longer names (``encrypt_key``, ``private_key``, ``key_pem``).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

MASKED: Final = "<hidden>"
DEPTH_MAX: Final = 4  # of nested mappings and lists that are looked into; deeper is left out
_SECRET_NAMES: Final = frozenset(
    {"token", "secret", "encrypt", "password", "authorization", "keyring", "pem"}
)
_SECRET_ENDINGS: Final = (
    "_token",
    "_secret",
    "secret_id",
    "_password",
    "_pem",
    "private_key",
    "encrypt_key",
    "encryption_key",
    "gossip_key",
    "key_material",
)
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_URL_TOKEN: Final = re.compile(r"([?&]token=)[^&\s\"']+", re.IGNORECASE)


def masked_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with secrets replaced by ``<hidden>``."""
    return {name: _masked(name, value, DEPTH_MAX) for name, value in fields.items()}


def is_secret(name: str) -> bool:
    """Whether a field of that name holds a secret; ``SecretID`` and ``X-Consul-Token`` do."""
    words = _WORD_START.sub("_", name).replace("-", "_").lower()
    return words in _SECRET_NAMES or words.endswith(_SECRET_ENDINGS)


def masked_text(text: str) -> str:
    """``text`` without the tokens of URLs in it."""
    return _URL_TOKEN.sub(rf"\1{MASKED}", text)


def _masked(name: str, value: object, depth: int) -> object:
    if is_secret(name):
        # Whether there is a secret at all helps to find faults and gives nothing away.
        return MASKED if value else value
    match value:
        case str():
            return masked_text(value)
        case Mapping() if depth:
            return {key: _masked(str(key), inner, depth - 1) for key, inner in value.items()}
        case list() | tuple() if depth:
            return [_masked("", inner, depth - 1) for inner in value]
        case Mapping() | list() | tuple():
            return "..."
        case _:
            return value
