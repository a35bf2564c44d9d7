"""User events as they travel: a gossip event named ``consul:event:<name>`` around a msgpack map.

Empty filters and payloads are left out. Text and bytes have one form on the wire, so all is read
as bytes. Source: Consul's user events, as captured from 1.9.8.
"""

from typing import Any, Final

import msgpack

from agent.membership.events import EVENT_BYTES_MAX, PROTOCOL_VERSION, UserEvent
from catalog.errors import Invalid
from catalog.uuids import is_uuid
from gossip.core.sizes import cluster_bytes
from gossip.core.types import LamportTime
from gossip.core.types import UserEvent as GossipEvent

NAME_PREFIX: Final = "consul:event:"
NEW_LEADER: Final = "consul:new-leader"

_LATE: Final = LamportTime(2**31)  # what fits now must fit at every later time too


class MalformedEvent(ValueError):
    """What came is no user event; ``str()`` says why."""


def encode(event: UserEvent) -> tuple[str, bytes]:
    """The gossip event's name and payload. Raises Invalid when they are too large together."""
    optional = {
        "p": event.payload,
        "nf": event.node_filter,
        "sf": event.service_filter,
        "tf": event.tag_filter,
    }
    fields = {"ID": event.id, "n": event.name, "v": event.version}
    fields |= {key: value for key, value in optional.items() if value}
    name = NAME_PREFIX + event.name
    payload: bytes = msgpack.packb(dict(sorted(fields.items())), use_bin_type=False)
    size = len(name.encode()) + len(payload)
    if size > EVENT_BYTES_MAX:
        raise Invalid(
            f"user event of {size} bytes exceeds configured limit of {EVENT_BYTES_MAX} bytes "
            "before encoding"
        )
    sent = cluster_bytes(GossipEvent(_LATE, name, payload, coalesce=False))
    if sent > EVENT_BYTES_MAX:
        raise Invalid(
            f"encoded user event of {sent} bytes exceeds configured limit of {EVENT_BYTES_MAX} "
            "bytes after encoding"
        )
    return name, payload


def decode(payload: bytes, lamport_time: int) -> UserEvent:
    """The event of a payload. Raises MalformedEvent."""
    try:
        fields = msgpack.unpackb(payload, raw=True, strict_map_key=False)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not msgpack: {error}") from None
    if not isinstance(fields, dict):
        raise MalformedEvent("not a map")
    version, event_id = fields.get(b"v", PROTOCOL_VERSION), _text(fields, b"ID")
    if not isinstance(version, int):
        raise MalformedEvent("the version is no number")
    if not is_uuid(event_id):
        raise MalformedEvent("the id is no UUID")
    return UserEvent(
        id=event_id,
        name=_text(fields, b"n"),
        payload=_raw(fields, b"p"),
        node_filter=_text(fields, b"nf"),
        service_filter=_text(fields, b"sf"),
        tag_filter=_text(fields, b"tf"),
        version=version,
        l_time=lamport_time,
    )


def _text(fields: dict[Any, Any], key: bytes) -> str:
    return _raw(fields, key).decode("utf-8", "replace")


def _raw(fields: dict[Any, Any], key: bytes) -> bytes:
    value = fields.get(key) or b""
    if not isinstance(value, bytes):
        raise MalformedEvent(f"{key.decode()} is neither text nor bytes")
    return value
