"""/v1/session. Source: Consul API, sessions."""

from typing import Final

import msgspec

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, decode_value, parse_json
from agent.http.params import read_options, required, write_options
from agent.rpc.endpoints.session import (
    NodeSessions,
    SessionApply,
    SessionDestroy,
    SessionGet,
    SessionList,
    SessionRenew,
)
from agent.rpc.request import Reply
from catalog.duration import SECOND, parse_duration
from catalog.rows.check import SERF_HEALTH
from catalog.rows.session import ServiceCheck, Session
from catalog.schema import Row

LOCK_DELAY_DEFAULT_NS: Final = 15 * SECOND
# A number below this means seconds, as early clients sent them; others are nanoseconds.
LOCK_DELAY_SECONDS_BELOW: Final = 1000


class _Body(Row, frozen=True, kw_only=True):
    name: str = ""
    node: str = ""
    behavior: str = ""
    ttl: str = ""
    node_checks: tuple[str, ...] | None = None
    service_checks: tuple[ServiceCheck, ...] | None = None
    checks: tuple[str, ...] | None = None
    lock_delay: int = LOCK_DELAY_DEFAULT_NS


def create(call: Call) -> SessionApply:
    """A new session; without a body one with all defaults."""
    body = _decode(call.body) if call.body.strip() else _Body()
    checks = body.node_checks if body.node_checks is not None else body.checks
    return SessionApply(
        session=Session(
            id="",
            name=body.name,
            node=body.node or call.node_name,
            lock_delay=body.lock_delay,
            behavior=body.behavior,
            ttl=body.ttl,
            node_checks=(SERF_HEALTH,) if checks is None else checks,
            service_checks=body.service_checks,
        ),
        **write_options(call),
    )


def _decode(body: bytes) -> _Body:
    try:
        value = parse_json(body)
        lock_delay_ns = LOCK_DELAY_DEFAULT_NS
        if isinstance(value, dict):
            for key in [key for key in value if key.lower() == "lockdelay"]:
                lock_delay_ns = _lock_delay_ns(value.pop(key))
        decoded = decode_value(value, _Body, strict=False)
    except DecodeFault as fault:
        raise HttpError(400, f"Request decode failed: {fault}") from None
    return msgspec.structs.replace(decoded, lock_delay=lock_delay_ns)


def _lock_delay_ns(value: object) -> int:
    match value:
        case None:
            return LOCK_DELAY_DEFAULT_NS
        case bool():
            raise HttpError(400, "Request decode failed: LockDelay must be a duration")
        case int() | float():
            span_ns = value * SECOND if value < LOCK_DELAY_SECONDS_BELOW else value
            if not abs(span_ns) < 2**63:
                raise HttpError(400, "Request decode failed: LockDelay is out of range")
            return int(span_ns)
        case str():
            try:
                return parse_duration(value)
            except ValueError as error:
                raise HttpError(400, f"Request decode failed: LockDelay: {error}") from None
        case _:
            raise HttpError(400, "Request decode failed: LockDelay must be a duration")


def show_id(_call: Call, reply: Reply) -> Answer:
    """The new session's id."""
    return Answer(json={"ID": reply.value})


def destroy(call: Call) -> SessionDestroy:
    """The end of a session."""
    return SessionDestroy(id=required(call, "id", "session"), **write_options(call))


def renew(call: Call) -> SessionRenew:
    """A session's TTL anew."""
    return SessionRenew(id=required(call, "id", "session"), **write_options(call))


def show_renewed(call: Call, reply: Reply) -> Answer:
    """The session in a list; 404 when it is gone."""
    if reply.value is None:
        raise HttpError(404, f"Session id '{call.path['id']}' not found")
    return Answer(json=[reply.value])


def get(call: Call) -> SessionGet:
    """One session or none."""
    return SessionGet(id=required(call, "id", "session"), **read_options(call))


def of_node(call: Call) -> NodeSessions:
    """The sessions of a node."""
    return NodeSessions(node=required(call, "node", "node name"), **read_options(call))


def list_all(call: Call) -> SessionList:
    """All sessions."""
    return SessionList(**read_options(call))
