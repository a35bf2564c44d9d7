"""control-plane-request-limit: how many requests a second a server takes. Since 1.16."""

from typing import Final

import msgspec
from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.rows.config_entry.ranges import Range, validate_ranges
from catalog.schema import Omit, Row

REQUEST_LIMIT: Final = "control-plane-request-limit"
MODES: Final = ("", "permissive", "enforcing", "disabled")


class Rates(Row, frozen=True, kw_only=True):
    """Requests a second; 0 is no limit."""

    read_rate: Omit[float] = 0.0
    write_rate: Omit[float] = 0.0


class RequestLimit(Entry, frozen=True, kw_only=True, tag=REQUEST_LIMIT):
    """Limits of all requests, and of those of one area."""

    mode: Omit[str] = ""
    read_rate: Omit[float] = 0.0
    write_rate: Omit[float] = 0.0
    acl: Omit[Rates | None] = msgspec.field(default=None, name="ACL")
    auto_config: Omit[Rates | None] = None
    catalog: Omit[Rates | None] = None
    config_entry: Omit[Rates | None] = None
    connect_ca: Omit[Rates | None] = None
    coordinate: Omit[Rates | None] = None
    data_plane: Omit[Rates | None] = None
    discovery_chain: Omit[Rates | None] = None
    dns: Omit[Rates | None] = None
    federation_state: Omit[Rates | None] = None
    health: Omit[Rates | None] = None
    intention: Omit[Rates | None] = None
    internal: Omit[Rates | None] = None
    kv: Omit[Rates | None] = None
    peer_stream: Omit[Rates | None] = None
    peering: Omit[Rates | None] = None
    prepared_query: Omit[Rates | None] = None
    resource: Omit[Rates | None] = None
    server_discovery: Omit[Rates | None] = None
    session: Omit[Rates | None] = None
    subscribe: Omit[Rates | None] = None
    tenancy: Omit[Rates | None] = None
    txn: Omit[Rates | None] = None

    @override
    def validate(self) -> None:
        super().validate()
        if self.mode not in MODES:
            message = f"Mode must be one of {', '.join(MODES[1:])}, not {quoted(self.mode)}"
            raise Invalid(message)
        validate_ranges("", *_ranges("", self.read_rate, self.write_rate))
        for field in msgspec.structs.fields(type(self)):
            rates = getattr(self, field.name)
            if isinstance(rates, Rates):
                prefix = f"{field.encode_name}."
                validate_ranges("", *_ranges(prefix, rates.read_rate, rates.write_rate))


def _ranges(prefix: str, read: float, write: float) -> tuple[Range, Range]:
    return Range(f"{prefix}ReadRate", read), Range(f"{prefix}WriteRate", write)
