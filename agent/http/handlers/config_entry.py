"""/v1/config. Source: Consul API, config entries."""

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, parse_json
from agent.http.params import cas_index, read_options, write_options
from agent.rpc.endpoints.config_entry import ConfigApply, ConfigDelete, ConfigGet, ConfigList
from agent.rpc.request import ReadRequest, Reply
from catalog.errors import BadRequest, Invalid
from catalog.rows.config_entry import KINDS, decode_entry, entry_to_json


def apply(call: Call) -> ConfigApply:
    """Store an entry."""
    # Unlike other writes, Consul answers 500 here.
    index = cas_index(call, status=500)
    try:
        entry = decode_entry(parse_json(call.body))
    except (DecodeFault, BadRequest) as fault:
        raise HttpError(400, f"Bad request: Request decoding failed: {fault}") from None
    return ConfigApply(entry=entry, cas_index=index, **write_options(call))


def get(call: Call) -> ReadRequest:
    """One entry, or all of a kind."""
    kind, _, name = call.path["path"].partition("/")
    options = read_options(call)
    if kind not in {"", *KINDS}:
        # Consul answers 400 to writes of an unknown kind, and 500 to reads.
        raise Invalid(f"invalid config entry kind: {kind}")
    if not name:
        return ConfigList(kind=kind, **options)
    return ConfigGet(kind=kind, name=name, **options)


def show(call: Call, reply: Reply) -> Answer:
    """The entry, or the list; 404 for an entry that does not exist."""
    if isinstance(reply.value, list):
        return Answer(json=[entry_to_json(entry) for entry in reply.value])
    if reply.value is None:
        kind, _, name = call.path["path"].partition("/")
        raise HttpError(404, f'Config entry not found for "{kind}" / "{name}"')
    return Answer(json=entry_to_json(reply.value))


def delete(call: Call) -> ConfigDelete:
    """Remove an entry."""
    kind, _, name = call.path["path"].partition("/")
    if not kind or not name:
        raise HttpError(404, "Must provide both a kind and name to delete")
    return ConfigDelete(kind=kind, name=name, **write_options(call))


def show_deleted(_call: Call, _reply: Reply) -> Answer:
    """An empty object, also when there was nothing to remove."""
    return Answer(json={})
