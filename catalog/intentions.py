"""Intentions: the view of ``service-intentions`` entries, who may connect, and changes of one pair.

An intention is one source of the entry of its destination. Those that were made by the older
endpoint carry an id, metadata and times. All functions are pure: changes return a new entry, which
the caller normalizes, validates and stores.

Source: Consul, intentions (https://developer.hashicorp.com/consul/docs/connect/intentions).
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Literal

import msgspec

from catalog.errors import Invalid
from catalog.rows.config_entry import ServiceIntentions
from catalog.rows.config_entry.entry import errors_text
from catalog.rows.config_entry.service_intentions import (
    ACTIONS,
    ALLOW,
    CONSUL,
    DESCRIPTION_BYTES_MAX,
    WILDCARD,
    SourceIntention,
)
from catalog.rows.intention import Intention

Side = Literal["source", "destination"]

ACLS_OFF_REASON: Final = "ACLs disabled, access is allowed by default"
DEFAULT_REASON: Final = "Default behavior configured by ACLs"
POLICY_REASON: Final = "Default intention policy"


class Decision(msgspec.Struct, frozen=True):
    """Whether a connection may be made, and why."""

    allowed: bool
    reason: str


ALLOWED_BY_DEFAULT: Final = Decision(True, ACLS_OFF_REASON)
"""What no intention decides, unless the agent's configuration says otherwise."""


def undecided(intention_policy: str, acl_policy: str) -> Decision:
    """What no intention decides: the intentions' own policy, else the one of access control.

    Both are allow, deny or empty, which is not set, or access control is off.
    """
    if intention_policy:
        return Decision(intention_policy == ALLOW, POLICY_REASON)
    return Decision(acl_policy == ALLOW, DEFAULT_REASON) if acl_policy else ALLOWED_BY_DEFAULT


# The view.


def intentions_of(entries: Iterable[ServiceIntentions]) -> list[Intention]:
    """Every intention, in the order in which they are tried."""
    found = [_intention(entry, source) for entry in entries for source in entry.sources or ()]
    return sorted(found, key=_order)


def match(intentions: Iterable[Intention], by: Side, name: str) -> list[Intention]:
    """The intentions whose source or destination is ``name`` or ``*``, in order.

    A source that is with a peer is not the service of this cluster that has its name.
    """
    wanted = {name.lower(), WILDCARD}
    if by == "destination":
        found = (each for each in intentions if each.destination_name.lower() in wanted)
    else:
        found = (
            each
            for each in intentions
            if each.source_name.lower() in wanted and not each.source_peer
        )
    return sorted(found, key=_order)


def find_exact(entry: ServiceIntentions | None, source: str) -> Intention | None:
    """The intention of a source with the entry's destination."""
    for candidate in (entry and entry.sources) or ():
        if _is(candidate, source):
            assert entry is not None
            return _intention(entry, candidate)
    return None


def find_by_id(entries: Iterable[ServiceIntentions], intention_id: str) -> Intention | None:
    """The intention that was made with an id."""
    for entry in entries:
        for source in entry.sources or ():
            if source.legacy_id == intention_id:
                return _intention(entry, source)
    return None


def decide(
    source: str,
    destination: str,
    intentions: Iterable[Intention],
    otherwise: Decision = ALLOWED_BY_DEFAULT,
) -> Decision:
    """Whether ``source`` may connect to ``destination``: the first intention of the pair decides.

    An intention with permissions is about requests, so a connection alone is refused.
    """
    for intention in match(match(intentions, "destination", destination), "source", source):
        if intention.permissions:
            return Decision(False, f"Matched L7 intention: {describe(intention)}")
        return Decision(intention.action == ALLOW, f"Matched intention: {describe(intention)}")
    return otherwise


def describe(intention: Intention) -> str:
    """An intention in one line."""
    identity = f"ID: {intention.id}, " if intention.id else ""
    what = (
        f"Permissions: {len(intention.permissions)}"
        if intention.permissions
        else f"Action: {intention.action.upper()}"
    )
    return (
        f"{intention.source_ns}/{intention.source_name} => "
        f"{intention.destination_ns}/{intention.destination_name} "
        f"({identity}Precedence: {intention.precedence}, {what})"
    )


def _order(intention: Intention) -> tuple[int, str, str]:
    return (-intention.precedence, intention.source_name, intention.destination_name)


def _intention(entry: ServiceIntentions, source: SourceIntention) -> Intention:
    shown = Intention(
        id=source.legacy_id,
        description=source.description,
        source_name=source.name,
        source_peer=source.peer,
        destination_name=entry.name,
        source_type=source.type,
        action=source.action,
        permissions=source.permissions,
        jwt=entry.jwt,
        meta=source.legacy_meta,
        precedence=source.precedence,
        created_at=source.legacy_create_time,
        updated_at=source.legacy_update_time,
        create_index=entry.create_index,
        modify_index=entry.modify_index,
    )
    return msgspec.structs.replace(shown, hash=_hash(shown)) if shown.id else shown


def _hash(intention: Intention) -> str:
    """What replication compares: it changes with everything that a user can set."""
    content = msgspec.structs.replace(intention, create_index=0, modify_index=0)
    return b64encode(sha256(msgspec.json.encode(content)).digest()).decode()


# Changes of one pair of names.


def parse_name(side: Side, text: str) -> str:
    """The service of ``name`` or ``namespace/name``. Raises Invalid for more slashes."""
    if text.count("/") > 1:
        message = f"{side} \"{text}\" is invalid: input can contain at most one '/'"
        raise Invalid(message)
    return text.rpartition("/")[2]


def _is(source: SourceIntention, name: str) -> bool:
    """Whether a source is the one of this cluster that has a name."""
    return source.name == name and not source.peer


def upsert(
    entry: ServiceIntentions | None, destination: str, source: SourceIntention
) -> ServiceIntentions:
    """The entry in which ``source`` replaces the one of its name, or comes last."""
    before = entry or ServiceIntentions(name=destination)
    sources = list(before.sources or ())
    for number, present in enumerate(sources):
        if _is(present, source.name):
            sources[number] = source
            break
    else:
        sources.append(source)
    return msgspec.structs.replace(before, sources=tuple(sources))


def without(entry: ServiceIntentions, source: str) -> ServiceIntentions | None:
    """The entry without a source; None if it is the last one, so that the entry goes too."""
    rest = tuple(present for present in entry.sources or () if not _is(present, source))
    return msgspec.structs.replace(entry, sources=rest) if rest else None


def source_of(intention: Intention) -> SourceIntention:
    """The source that a request describes, without what only the older endpoint sets."""
    return SourceIntention(
        name=intention.source_name,
        action=intention.action,
        permissions=intention.permissions,
        type=intention.source_type or CONSUL,
        description=intention.description,
    )


def create_by_id(
    entry: ServiceIntentions | None, intention: Intention, intention_id: str, now: str
) -> ServiceIntentions:
    """The entry with a new source that has an id. ``now`` is RFC 3339 text.

    A second source of one name is not replaced: validation of the entry refuses it. Raises Invalid.
    """
    if intention.id:
        raise Invalid("ID must be empty when creating a new intention")
    _validate_by_id(intention)
    before = entry or ServiceIntentions(name=intention.destination_name)
    source = _with_id(intention, intention_id, created=now, updated=now)
    return msgspec.structs.replace(before, sources=(*(before.sources or ()), source))


def update_by_id(
    entry: ServiceIntentions, intention: Intention, intention_id: str, now: str
) -> ServiceIntentions:
    """The entry in which the source with an id is replaced; it must be there. Raises Invalid."""
    if intention.destination_name != entry.name:
        message = "Cannot modify DestinationNS or DestinationName for an intention once it exists."
        raise Invalid(message)
    _validate_by_id(intention)
    sources = tuple(
        _with_id(intention, intention_id, created=present.legacy_create_time, updated=now)
        if present.legacy_id == intention_id
        else present
        for present in entry.sources or ()
    )
    return msgspec.structs.replace(entry, sources=sources)


def keep_legacy_fields(
    entry: ServiceIntentions, stored: ServiceIntentions | None
) -> ServiceIntentions:
    """A user's entry with the ids, metadata and creation times that its sources already had."""
    known = {(source.peer, source.name): source for source in (stored and stored.sources) or ()}
    sources = entry.sources and tuple(
        msgspec.structs.replace(
            source,
            legacy_id=before.legacy_id,
            legacy_meta=before.legacy_meta,
            legacy_create_time=before.legacy_create_time,
            legacy_update_time=before.legacy_update_time,
        )
        if (before := known.get((source.peer, source.name)))
        else source
        for source in entry.sources
    )
    return msgspec.structs.replace(entry, sources=sources)


def _with_id(
    intention: Intention, intention_id: str, *, created: str, updated: str
) -> SourceIntention:
    return msgspec.structs.replace(
        source_of(intention),
        legacy_id=intention_id,
        legacy_meta=intention.meta or None,
        legacy_create_time=created,
        legacy_update_time=updated,
    )


def _validate_by_id(intention: Intention) -> None:
    """Raise Invalid with every fault of an intention that the older endpoint was given."""
    faults: list[str] = []
    for field, name in (
        ("SourceName", intention.source_name),
        ("DestinationName", intention.destination_name),
    ):
        if not name:
            faults.append(f"{field} must be set")
        elif WILDCARD in name and name != WILDCARD:
            faults.append(f"{field}: wildcard character '*' cannot be used with partial values")
    if len(intention.description.encode()) > DESCRIPTION_BYTES_MAX:
        faults.append(f"description exceeds maximum length {DESCRIPTION_BYTES_MAX}")
    if intention.permissions:
        faults.append("Permissions must be omitted: this endpoint only takes an Action")
    elif intention.action not in ACTIONS:
        faults.append("Action must be set to 'allow' or 'deny'")
    if intention.source_type not in {"", CONSUL}:
        faults.append(f"SourceType must be set to '{CONSUL}'")
    if faults:
        raise Invalid(errors_text(faults))
