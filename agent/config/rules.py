"""Rules for single values: each gives an empty text, or what the value must be."""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agent.config.schema import Check

NODE_META_PAIRS_MAX: Final = 64
"""Pairs of node metadata; the catalog refuses a registration with more."""
NODE_META_KEY_CHARS_MAX: Final = 128
"""Characters of a metadata key; the catalog's limit."""
NODE_META_VALUE_CHARS_MAX: Final = 512
"""Characters of a metadata value; the catalog's limit."""

_META_KEY: Final = re.compile(r"[a-zA-Z0-9_-]+")
_DATACENTER: Final = re.compile(r"[a-z0-9_-]+")
_CONTENT_PATH: Final = re.compile(r"[A-Za-z0-9_/-]*")
_PROVIDER: Final = re.compile(r"[a-z0-9_-]*")
_KEY_BYTES: Final = (16, 24, 32)
"""Sizes of AES-128, AES-192 and AES-256 keys; gossip knows no other cipher."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_TLS_VERSIONS: Final = (
    "", "tls10", "tls11", "tls12", "tls13", "TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3",
)  # fmt: skip


def one_of(*allowed: str, any_case: bool = False) -> Check:
    """A text out of a closed list; ``any_case`` compares without case."""

    def check(value: str) -> str:
        wanted = {item.lower() for item in allowed} if any_case else set(allowed)
        shown = ", ".join(item or '""' for item in allowed)
        return "" if (value.lower() if any_case else value) in wanted else f"must be one of {shown}"

    return check


def between(low: float, high: float) -> Check:
    """A number within both ends."""
    return lambda value: "" if low <= value <= high else f"must be between {low} and {high}"


def at_least(low: float) -> Check:
    """A number that is not below ``low``."""
    return lambda value: "" if value >= low else f"must be at least {low}"


def not_negative(value: int) -> str:
    """A count, size or duration."""
    return "" if value >= 0 else "must not be negative"


def port_or_off(value: int) -> str:
    """A listening port, or -1 (and 0) for none."""
    return "" if -1 <= value <= 65535 else "must be a port from 1 to 65535, or -1 to turn it off"


def port(value: int) -> str:
    """A port that cannot be turned off."""
    return "" if 0 <= value <= 65535 else "must be a port from 1 to 65535"


def rate(value: float) -> str:
    """A rate a second; -1 means no limit."""
    return "" if value >= 0 or value == -1 else "must be a rate a second, or -1 for no limit"


def datacenter(value: str) -> str:
    """A datacenter's name; it is lower-cased before use."""
    if _DATACENTER.fullmatch(value.lower()):
        return ""
    return "must hold only letters, digits, - and _" if value else "cannot be empty"


def node_id(value: str) -> str:
    """A node's id: empty, or a UUID."""
    return "" if not value or _UUID.fullmatch(value) else "must be a UUID of 36 characters"


def node_meta(pairs: Mapping[str, str]) -> str:
    """The metadata of this node."""
    if len(pairs) > NODE_META_PAIRS_MAX:
        return f"must hold at most {NODE_META_PAIRS_MAX} pairs"
    for key, value in pairs.items():
        shown = f"Couldn't load metadata pair ('{key}', '{value}')"
        if not key:
            return f"{shown}: Key cannot be blank"
        if not _META_KEY.fullmatch(key):
            return f"{shown}: Key contains invalid characters"
        if len(key) > NODE_META_KEY_CHARS_MAX:
            return f"{shown}: Key is too long (limit: {NODE_META_KEY_CHARS_MAX} characters)"
        if key.startswith("consul-"):
            return f"{shown}: Key prefix 'consul-' is reserved for internal use"
        if len(value) > NODE_META_VALUE_CHARS_MAX:
            return f"{shown}: Value is too long (limit: {NODE_META_VALUE_CHARS_MAX} characters)"
    return ""


def gossip_key(value: str) -> str:
    """The gossip encryption key: base64 of an AES key."""
    if not value:
        return ""
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return "" if len(key) in _KEY_BYTES else "must be base64 of a key of 16, 24 or 32 bytes"


def cidrs(values: Sequence[str]) -> str:
    """Address ranges such as 10.0.0.0/8."""
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            return f"must hold ranges such as 10.0.0.0/8, not {value!r}"
        if "/" not in value:
            return f"must hold ranges such as 10.0.0.0/8, not {value!r}"
    return ""


def ip_addresses(values: Sequence[str]) -> str:
    """IP addresses without ports."""
    for value in values:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            return f"must hold IP addresses, not {value!r}"
    return ""


def ui_content_path(value: str) -> str:
    """The path that the UI is served under."""
    if not _CONTENT_PATH.fullmatch(value):
        return "must hold only letters, digits, -, _ and /"
    return ""


def ui_provider(value: str) -> str:
    """The name of the UI's metrics provider."""
    if _PROVIDER.fullmatch(value):
        return ""
    return "must hold only lower-case letters, digits, - and _"


def json_object(value: str) -> str:
    """Empty, or a JSON object written as text."""
    try:
        return "" if not value or isinstance(json.loads(value), dict) else "must be a JSON object"
    except (ValueError, RecursionError):
        return "must be a JSON object"


def web_url(value: str) -> str:
    """Empty, or an http or https URL."""
    fine = not value or re.match(r"https?://[^/]", value)
    return "" if fine else "must be a URL that starts with http:// or https://"


def web_urls(values: Mapping[str, str]) -> str:
    """Named http or https URLs; they may hold {{placeholders}}."""
    for name, value in values.items():
        if complaint := web_url(value):
            return f"{name} {complaint}"
    return ""


def name_filters(values: Sequence[str]) -> str:
    """Metric prefixes with a leading + or -."""
    for value in values:
        if not value.startswith(("+", "-")) or len(value) < 2:
            return f"must hold prefixes that start with + or -, not {value!r}"
    return ""


def octal_mode(value: str) -> str:
    """Empty, or file permissions in octal."""
    return "" if not value or re.fullmatch(r"[0-7]{3,4}", value) else 'must be octal, as "0660"'


def dns_domain(value: str) -> str:
    """A DNS domain; the trailing dot may be left out."""
    labels = value.rstrip(".").split(".")
    fine = all(re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})", label) for label in labels)
    return "" if not value or fine else "must be a DNS domain"


tls_version: Final[Check] = one_of(*_TLS_VERSIONS)
"""The oldest accepted TLS version, in the spelling of 1.9 or of 1.21."""

log_level: Final[Check] = one_of(
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERR", "ERROR", "CRITICAL", any_case=True
)
"""How much is logged."""


def each(check: Check, values: str = "values") -> Callable[[Mapping[str, Any]], str]:
    """A rule for every value of a map."""

    def every(pairs: Mapping[str, Any]) -> str:
        for key, value in pairs.items():
            if complaint := check(value):
                return f"{values} of {key} {complaint}"
        return ""

    return every
