"""The declaration language of the catalog: rows, tables, indexes and field marks.

A row is a frozen value. One declaration gives its storage form (msgpack through msgspec, defaults
left out), its API names (``go_name``), its JSON shape (``catalog.shape``), its tables and indexes
(``catalog.store``) and the selectors of the filter language (``catalog.filters``).
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, get_args

import msgspec
from typing_extensions import override

_ACRONYMS: Final = {
    "ca": "CA",
    "dns": "DNS",
    "grpc": "GRPC",
    "http": "HTTP",
    "id": "ID",
    "ids": "IDs",
    "kv": "KV",
    "ip": "IP",
    "ns": "NS",
    "rtt": "RTT",
    "sni": "SNI",
    "tcp": "TCP",
    "tls": "TLS",
    "ttl": "TTL",
    "udp": "UDP",
    "uri": "URI",
    "os": "OS",
    "pem": "PEM",
}


def go_name(name: str) -> str:
    """The API's name of a field: ``check_id`` -> ``CheckID``, ``ttl`` -> ``TTL``."""
    return "".join(_ACRONYMS.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


T = TypeVar("T")
R = TypeVar("R", bound="Row")

Omit = Annotated[T, msgspec.Meta(extra={"omit_empty": True})]
"""A field that vanishes from JSON while it is empty (Go's ``omitempty``)."""

Hidden = Annotated[T, msgspec.Meta(extra={"hidden": True})]
"""A field that is stored and never shown in JSON."""

Unfiltered = Annotated[T, msgspec.Meta(extra={"unfiltered": True})]
"""A field that is shown but is no selector of the filter language."""


def plain_type(hint: Any) -> Any:
    """The type of a field under its marks and ``| None``."""
    while hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    arguments = get_args(hint)
    if type(None) in arguments:
        (rest,) = (argument for argument in arguments if argument is not type(None))
        return plain_type(rest)
    return hint


class Row(msgspec.Struct, frozen=True, kw_only=True, rename=go_name, omit_defaults=True):
    """A value of the catalog; nested values are rows too."""


class Index(NamedTuple):
    """A named way to find rows: ``keys(row)`` gives every value that finds the row, or none."""

    name: str
    keys: Callable[[Any], Iterable[Hashable]]


class Table(Generic[R]):
    """Where rows of one type live.

    ``tag`` marks the table's records in snapshots and is never used again for another table.
    ``ordered`` keeps the primary keys (text) sorted, for prefix reads and prefix watches.
    """

    __slots__ = ("indexes", "key", "name", "ordered", "row", "tag")

    def __init__(
        self,
        name: str,
        row: type[R],
        *,
        tag: int,
        key: Callable[[R], Any],
        indexes: tuple[Index, ...] = (),
        ordered: bool = False,
    ) -> None:
        self.name = name
        self.row = row
        self.tag = tag
        self.key = key
        self.indexes = indexes
        self.ordered = ordered

    @override
    def __repr__(self) -> str:
        return f"Table({self.name})"
