"""Requests and replies as msgpack, typed by the endpoint table: both ends read the same table."""

from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from agent.rpc.request import Reply, Request
from agent.rpc.table import BY_REQUEST, ENDPOINTS, Endpoint, reply_type

T = TypeVar("T")


class BadBody(ValueError):
    """The bytes are no request or reply of the endpoint."""


class _Answered(msgspec.Struct, Generic[T], frozen=True, array_like=True):
    """A reply's fields, in this order."""

    value: T
    index: int
    last_contact_ms: int
    known_leader: bool


class Codec(NamedTuple):
    """How one endpoint's values are read."""

    endpoint: Endpoint
    request: msgspec.msgpack.Decoder[Any]
    reply: msgspec.msgpack.Decoder[Any]


def _codec(endpoint: Endpoint) -> Codec:
    return Codec(
        endpoint,
        msgspec.msgpack.Decoder(endpoint.request),
        msgspec.msgpack.Decoder(_Answered[reply_type(endpoint)]),  # type: ignore[misc] # at run time
    )


BY_NAME: Final[dict[str, Codec]] = {endpoint.name: _codec(endpoint) for endpoint in ENDPOINTS}

_encoder: Final = msgspec.msgpack.Encoder()


def encode_request(request: Request) -> tuple[str, bytes]:
    """The endpoint's wire name and the request's bytes."""
    return BY_REQUEST[type(request)].name, _encoder.encode(request)


def decode_request(codec: Codec, body: bytes) -> Any:
    """The request of an endpoint. Raises BadBody."""
    return _decode(codec.request, body)


def encode_reply(reply: Reply) -> bytes:
    """A reply's bytes."""
    return _encoder.encode(
        _Answered(reply.value, reply.index, reply.last_contact_ms, reply.known_leader)
    )


def decode_reply(codec: Codec, body: bytes) -> Reply:
    """The reply of an endpoint. Raises BadBody."""
    answered = _decode(codec.reply, body)
    return Reply(
        value=answered.value,
        index=answered.index,
        last_contact_ms=answered.last_contact_ms,
        known_leader=answered.known_leader,
    )


def _decode(decoder: msgspec.msgpack.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(str(error)) from None
