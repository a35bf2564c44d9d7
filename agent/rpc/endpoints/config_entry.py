"""Config entries and what is resolved from them. Source: Consul API, /v1/config."""

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.filters import compile_filter
from catalog.read import Read
from catalog.rows.config_entry import ConfigEntry, check_kind, normalize, validate
from catalog.tables import CONFIG_ENTRIES

CONFIG_INDEX = "config-entries"


class ConfigApply(WriteRequest, frozen=True, kw_only=True):
    """An entry to store; the reply is whether it took effect."""

    entry: ConfigEntry
    cas_index: int | None = None


class ConfigDelete(WriteRequest, frozen=True, kw_only=True):
    """An entry to remove; the reply is whether it took effect."""

    kind: str
    name: str
    cas_index: int | None = None


class ConfigGet(ReadRequest, frozen=True, kw_only=True):
    """One entry, or None."""

    kind: str
    name: str


class ConfigList(ReadRequest, frozen=True, kw_only=True):
    """The entries of a kind, or all; ``filter`` sees those of a kind."""

    kind: str = ""


def apply(_server: ServerContext, request: ConfigApply) -> Command:
    """Fill in defaults and refuse what contradicts itself."""
    entry = normalize(request.entry)
    validate(entry)
    return commands.ConfigEntryPut(entry=entry, cas_index=request.cas_index)


def delete(_server: ServerContext, request: ConfigDelete) -> Command:
    """See ConfigDelete."""
    check_kind(request.kind)
    return commands.ConfigEntryDelete(
        kind=request.kind, name=request.name, cas_index=request.cas_index
    )


def get(read: Read, request: ConfigGet, _server: ServerContext) -> ConfigEntry | None:
    """See ConfigGet."""
    read.depend(CONFIG_INDEX)
    return read.store.get(CONFIG_ENTRIES, (request.kind, request.name.lower()))


def list_kind(read: Read, request: ConfigList, _server: ServerContext) -> list[ConfigEntry]:
    """See ConfigList. Raises FilterError: what may be filtered by depends on the kind."""
    read.depend(CONFIG_INDEX)
    if not request.kind:
        return read.store.all(CONFIG_ENTRIES)
    found = read.store.find(CONFIG_ENTRIES, "kind", request.kind)
    if not request.filter:
        return found
    keeps = compile_filter(request.filter, check_kind(request.kind))
    return [entry for entry in found if keeps(entry)]
