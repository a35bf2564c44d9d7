"""Names of hosts. Source: RFC 1035 §2.3.1, with the underscore that DNS itself does not mind."""

import re
from typing import Final

HOST_BYTES_MAX: Final = 253
"""The longest name of DNS."""

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


def is_host(text: str) -> bool:
    """Whether the text is the name of a host, without wildcards."""
    return len(text) <= HOST_BYTES_MAX and bool(_HOST.fullmatch(text))
