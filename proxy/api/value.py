"""The base of everything that a proxy is told."""

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all: compared by content, cheap on the wire."""
