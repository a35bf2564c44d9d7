"""Intentions: who may connect to whom. Source: Consul API, /v1/connect/intentions."""

from datetime import UTC, datetime
from typing import Final

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import ServerContext
from catalog import intentions
from catalog.commands import Command, IntentionChange, IntentionVerb
from catalog.errors import NotFound
from catalog.intentions import Decision, Side
from catalog.read import Read
from catalog.rows.config_entry import SERVICE_INTENTIONS, ServiceIntentions
from catalog.rows.intention import Intention
from catalog.tables import CONFIG_ENTRIES

CONFIG_INDEX: Final = "config-entries"


class IntentionApply(WriteRequest, frozen=True, kw_only=True):
    """A change of one intention; ``verb`` is one of IntentionVerb.

    The reply is True, or the id for the verbs that create or update by id.
    """

    verb: str
    intention: Intention = Intention()
    id: str = ""


class IntentionGet(ReadRequest, frozen=True, kw_only=True):
    """The intention that was made with an id."""

    id: str


class IntentionExact(ReadRequest, frozen=True, kw_only=True):
    """The intention of two names."""

    source: str
    destination: str


class IntentionList(ReadRequest, frozen=True, kw_only=True):
    """All intentions, the ones that are tried first, first."""


class IntentionMatch(ReadRequest, frozen=True, kw_only=True):
    """The intentions of each name, as source or destination; the reply is a map."""

    by: Side
    names: tuple[str, ...]


class IntentionCheck(ReadRequest, frozen=True, kw_only=True):
    """Whether a source may connect to a destination; the reply is a Decision."""

    source: str
    destination: str


def apply(server: ServerContext, request: IntentionApply) -> Command:
    """Give a new intention its id, and stamp the time."""
    creating = request.verb == IntentionVerb.CREATE_BY_ID
    return IntentionChange(
        verb=request.verb,
        intention=request.intention,
        id=server.new_uuid() if creating else request.id,
        now=_rfc3339(server.now_s()),
    )


def _rfc3339(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat().replace("+00:00", "Z")


def _entries(read: Read) -> list[ServiceIntentions]:
    read.depend(CONFIG_INDEX)
    found = read.store.find(CONFIG_ENTRIES, "kind", SERVICE_INTENTIONS)
    return [entry for entry in found if isinstance(entry, ServiceIntentions)]


def get(read: Read, request: IntentionGet, _server: ServerContext) -> Intention:
    """See IntentionGet. Raises NotFound."""
    return _found(intentions.find_by_id(_entries(read), request.id))


def exact(read: Read, request: IntentionExact, _server: ServerContext) -> Intention:
    """See IntentionExact. Raises NotFound."""
    read.depend(CONFIG_INDEX)
    entry = read.store.get(CONFIG_ENTRIES, (SERVICE_INTENTIONS, request.destination.lower()))
    assert entry is None or isinstance(entry, ServiceIntentions)
    return _found(intentions.find_exact(entry, request.source))


def _found(intention: Intention | None) -> Intention:
    if intention is None:
        raise NotFound("Intention not found")
    return intention


def list_all(read: Read, _request: IntentionList, _server: ServerContext) -> list[Intention]:
    """See IntentionList."""
    return intentions.intentions_of(_entries(read))


def match(
    read: Read, request: IntentionMatch, _server: ServerContext
) -> dict[str, list[Intention] | None]:
    """See IntentionMatch; None where a name has no intention."""
    known = intentions.intentions_of(_entries(read))
    return {
        name: intentions.match(known, request.by, intentions.parse_name(request.by, name)) or None
        for name in request.names
    }


def check(read: Read, request: IntentionCheck, server: ServerContext) -> Decision:
    """See IntentionCheck."""
    return intentions.decide(
        request.source,
        request.destination,
        intentions.intentions_of(_entries(read)),
        server.undecided,
    )
