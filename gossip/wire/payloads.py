"""Bytes inside messages: tags within ``meta``, and the payloads of Serf's internal queries.

Tags are the byte ff and a map of text to text; without the ff all of ``meta`` is the tag
``role``. A payload is Serf's type byte and one msgpack value. ``WirePayloads`` is what the core
is given as ``gossip.core.types.Payloads``; its readers never raise, because one member's bad
bytes are no fault of the message around them.
Source: Serf's tag encoding and message table.
"""

from typing import Any, Final, assert_never

from gossip.core.types import (
    META_BYTES_MAX,
    ConflictVote,
    KeyRequest,
    KeyResponse,
    Member,
    Payload,
    Status,
    Versions,
)
from gossip.wire.errors import WireError
from gossip.wire.layout import (
    UINT8_MAX,
    address,
    flag,
    items,
    mapping,
    pack,
    raw,
    subject,
    text,
    unpack,
    unpack_struct,
    unsigned,
)
from gossip.wire.layout import struct as fields_of

TAGS_MARK: Final = b"\xff"
ROLE_TAG: Final = "role"

KEY_REQUEST_KEYS: Final = (b"Key",)
KEY_RESPONSE_KEYS: Final = (b"Result", b"Message", b"Keys", b"PrimaryKey")
MEMBER_KEYS: Final = (
    b"Name",
    b"Addr",
    b"Port",
    b"Tags",
    b"Status",
    b"ProtocolMin",
    b"ProtocolMax",
    b"ProtocolCur",
    b"DelegateMin",
    b"DelegateMax",
    b"DelegateCur",
)
_VERSION_KEYS: Final = MEMBER_KEYS[5:]


class WirePayloads:
    """The encoder and decoder of payloads."""

    def encode_tags(self, tags: dict[str, str]) -> bytes:
        """Give the ``meta`` of these tags, in their order. The caller checks META_BYTES_MAX."""
        return TAGS_MARK + pack(tags)

    def decode_tags(self, meta: bytes) -> dict[str, str]:
        """Read the tags of a ``meta``; none when it cannot be read."""
        if not meta.startswith(TAGS_MARK):
            return {ROLE_TAG: meta[:META_BYTES_MAX].decode("utf-8", "replace")}
        try:
            return _tags(unpack(meta[1:]))
        except WireError:
            return {}

    def encode(self, payload: Payload) -> bytes:
        """Give the type byte and the body."""
        match payload:
            case ConflictVote():
                member = payload.member
                return b"\x06" + pack(None if member is None else _member_fields(member))
            case KeyRequest():
                return b"\x07" + pack({"Key": payload.key})
            case KeyResponse():
                return b"\x08" + pack(
                    {
                        "Keys": payload.keys or None,
                        "Message": payload.message,
                        "PrimaryKey": payload.primary_key,
                        "Result": payload.result,
                    }
                )
            case _:
                assert_never(payload)

    def decode(self, payload: bytes) -> Payload | None:
        """Read a payload; ``None`` when it is none of the three types or cannot be read."""
        body = payload[1:]
        try:
            match payload[:1]:
                case b"\x06":
                    return ConflictVote(_member(unpack(body)))
                case b"\x07":
                    return KeyRequest(raw(unpack_struct(body, KEY_REQUEST_KEYS).get(b"Key")))
                case b"\x08":
                    return _key_response(body)
                case _:
                    return None
        except WireError:
            return None


def _tags(value: Any) -> dict[str, str]:
    return {text(key): text(content) for key, content in mapping(value).items()}


def _key_response(body: bytes) -> KeyResponse:
    fields = unpack_struct(body, KEY_RESPONSE_KEYS)
    return KeyResponse(
        result=flag(fields.get(b"Result")),
        message=text(fields.get(b"Message")),
        keys=tuple([text(key) for key in items(fields.get(b"Keys"))]),
        primary_key=text(fields.get(b"PrimaryKey")),
    )


def _member(value: Any) -> Member | None:
    if value is None:
        return None
    fields = fields_of(value, MEMBER_KEYS)
    status = unsigned(fields.get(b"Status"), UINT8_MAX)
    return Member(
        name=subject(fields.get(b"Name")),
        address=address(fields.get(b"Addr"), fields.get(b"Port")),
        tags=_tags(fields.get(b"Tags")),
        status=Status(status) if status <= Status.FAILED else Status.NONE,
        versions=Versions(*[unsigned(fields.get(key), UINT8_MAX) for key in _VERSION_KEYS]),
    )


def _member_fields(member: Member) -> dict[str, Any]:
    versions = member.versions
    return {
        "Addr": member.address.ip,
        "DelegateCur": versions.delegate,
        "DelegateMax": versions.delegate_max,
        "DelegateMin": versions.delegate_min,
        "Name": member.name,
        "Port": member.address.port,
        "ProtocolCur": versions.protocol,
        "ProtocolMax": versions.protocol_max,
        "ProtocolMin": versions.protocol_min,
        "Status": int(member.status),
        "Tags": member.tags,
    }
