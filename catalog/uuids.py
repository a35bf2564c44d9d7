"""The form of ids: lower-case hexadecimal in groups of 8-4-4-4-12."""

import re
from typing import Final

from catalog.errors import BadRequest

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_uuid(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _UUID.fullmatch(text) is not None


def require_uuid(what: str, text: str) -> None:
    """Refuse a malformed id with status 400, naming what it is for."""
    if not is_uuid(text):
        raise BadRequest(
            f'failed {what} lookup: index error: UUID must be 36 characters, got "{text}"'
        )
