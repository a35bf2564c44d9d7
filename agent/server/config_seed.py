"""Config entries that a new leader writes where there are none: ``config_entries.bootstrap``.

An entry that is there is left alone, whatever it says: users change entries later. Source: Consul,
config_entries.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog

from catalog.commands import ConfigEntryPut, encode
from catalog.errors import CatalogError
from catalog.rows.config_entry import ConfigEntry, decode_entry, normalize, validate
from catalog.store import Store
from catalog.tables import CONFIG_ENTRIES

_log = structlog.get_logger("agent.server")


def entries_of(bodies: Iterable[Mapping[str, Any]]) -> list[ConfigEntry]:
    """The entries as they are stored. Raises Invalid, as writing them would."""
    entries = [normalize(decode_entry(dict(body))) for body in bodies]
    for entry in entries:
        validate(entry)
    return entries


async def seed(
    entries: Iterable[ConfigEntry], store: Store, propose: Callable[[bytes], Awaitable[object]]
) -> None:
    """Write those that are not there. One that the others refuse is told of. Raises RaftError."""
    for entry in entries:
        if store.get(CONFIG_ENTRIES, (entry.kind, entry.name.lower())) is not None:
            continue
        result = await propose(encode(ConfigEntryPut(entry=entry, cas_index=0)))
        if isinstance(result, CatalogError):
            _log.error(
                "config entry not written", kind=entry.kind, name=entry.name, error=str(result)
            )
