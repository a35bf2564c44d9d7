"""/v1/connect/intentions. Source: Consul API, intentions."""

from typing import Any

from msgspec.structs import replace

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, decode_body, decode_value, parse_json
from agent.http.params import read_options, write_options
from agent.rpc.endpoints.intention import (
    IntentionApply,
    IntentionCheck,
    IntentionExact,
    IntentionGet,
    IntentionList,
    IntentionMatch,
)
from agent.rpc.request import Reply
from catalog.commands import IntentionVerb
from catalog.errors import Invalid, NotFound
from catalog.intentions import parse_name
from catalog.rows.config_entry.service_intentions import CONSUL
from catalog.rows.intention import Intention
from catalog.uuids import is_uuid


def list_all(call: Call) -> IntentionList:
    """All intentions."""
    return IntentionList(**read_options(call))


# By id, the older way.


def create(call: Call) -> IntentionApply:
    """A new intention with an id."""
    return _by_id(call, IntentionVerb.CREATE_BY_ID)


def update(call: Call) -> IntentionApply:
    """Replace the intention with an id."""
    _require_id(call)
    return _by_id(call, IntentionVerb.UPDATE_BY_ID)


def _by_id(call: Call, verb: str) -> IntentionApply:
    try:
        intention = decode_value(parse_json(call.body), Intention)
    except DecodeFault as fault:
        # Unlike other endpoints, Consul answers 500 here.
        raise HttpError(500, f"Failed to decode request body: {fault}") from None
    return IntentionApply(
        verb=verb, intention=intention, id=call.path.get("id", ""), **write_options(call)
    )


def show_id(_call: Call, reply: Reply) -> Answer:
    """The intention's id."""
    return Answer(json={"ID": reply.value})


def get(call: Call) -> IntentionGet:
    """The intention with an id."""
    intention_id = call.path["id"]
    if not intention_id:
        raise NotFound("Intention not found")
    if not is_uuid(intention_id):
        raise HttpError(400, f"Bad request: {_malformed(intention_id)}")
    return IntentionGet(id=intention_id, **read_options(call))


def delete(call: Call) -> IntentionApply:
    """Remove the intention with an id."""
    _require_id(call)
    return IntentionApply(
        verb=IntentionVerb.DELETE_BY_ID, id=call.path["id"], **write_options(call)
    )


def _require_id(call: Call) -> None:
    intention_id = call.path["id"]
    if not is_uuid(intention_id):
        raise Invalid(f"Intention lookup failed: {_malformed(intention_id)}")


def _malformed(intention_id: str) -> str:
    return (
        f'failed config entry lookup: index error: UUID must be 36 characters, got "{intention_id}"'
    )


# By names.


def exact_get(call: Call) -> IntentionExact:
    """The intention of two names."""
    source, destination = _names(call)
    return IntentionExact(source=source, destination=destination, **read_options(call))


def exact_put(call: Call) -> IntentionApply:
    """Set the intention of two names; the names in the body do not count."""
    source, destination = _names(call)
    body = decode_body(call.body, Intention, prefix="Bad request: Request decode failed: ")
    intention = replace(body, source_name=source, destination_name=destination)
    return IntentionApply(verb=IntentionVerb.UPSERT, intention=intention, **write_options(call))


def exact_delete(call: Call) -> IntentionApply:
    """Remove the intention of two names, if there is one."""
    source, destination = _names(call)
    return IntentionApply(
        verb=IntentionVerb.DELETE,
        intention=Intention(source_name=source, destination_name=destination),
        **write_options(call),
    )


def _names(call: Call) -> tuple[str, str]:
    source = _required(call, "source")
    destination = _required(call, "destination")
    return parse_name("source", source), parse_name("destination", destination)


def _required(call: Call, name: str) -> str:
    value = call.query.get(name)
    if value is None:
        raise Invalid(f"required query parameter '{name}' not set")
    return value


# Decisions.


def match(call: Call) -> IntentionMatch:
    """The intentions of some names."""
    by = _required(call, "by")
    if by not in {"source", "destination"}:
        raise Invalid("'by' parameter must be one of 'source' or 'destination'")
    _required(call, "name")
    names = tuple(call.query.all("name"))
    options: dict[str, Any] = read_options(call)
    return IntentionMatch(by="source" if by == "source" else "destination", names=names, **options)


async def check(call: Call) -> Answer:
    """Whether a source may connect to a destination. The answer has no index."""
    source, destination = _names(call)
    source_type = call.query.text("source-type")
    if source_type not in {"", CONSUL}:
        raise Invalid(f'unsupported SourceType: "{source_type}"')
    request = IntentionCheck(source=source, destination=destination, **read_options(call))
    reply = await call.front.router.call(request)
    return Answer(json={"Allowed": reply.value.allowed})
