"""Sessions. Source: Consul API, /v1/session.

A session with a TTL really ends up to twice its TTL after the last renewal; the timers are the
leader's and are no part of the replicated state.
"""

from typing import Final

from msgspec.structs import replace

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import Done, ServerContext
from catalog import commands
from catalog.commands import Command
from catalog.duration import HOUR, format_duration, parse_duration
from catalog.errors import BadRequest
from catalog.queries import session as queries
from catalog.read import Read
from catalog.rows.session import BEHAVIORS, RELEASE, Session
from catalog.tables import SESSIONS
from catalog.uuids import require_uuid

TTL_MAX_NS: Final = 24 * HOUR  # Consul's bound


class SessionApply(WriteRequest, frozen=True, kw_only=True):
    """A new session; the reply is its id."""

    session: Session


class SessionDestroy(WriteRequest, frozen=True, kw_only=True):
    """The end of a session; no error if it is already gone."""

    id: str


class SessionRenew(WriteRequest, frozen=True, kw_only=True):
    """Start the TTL anew; the reply is the session, or None."""

    id: str


class SessionGet(ReadRequest, frozen=True, kw_only=True):
    """One session or none."""

    id: str


class NodeSessions(ReadRequest, frozen=True, kw_only=True):
    """The sessions of a node."""

    node: str


class SessionList(ReadRequest, frozen=True, kw_only=True):
    """All sessions."""


def create(server: ServerContext, request: SessionApply) -> Command:
    """Check the session's own fields and give it an id."""
    session = request.session
    if not session.node:
        raise BadRequest("Must provide Node")
    if session.behavior not in {"", *BEHAVIORS}:
        raise BadRequest(
            f"Invalid Behavior setting '{session.behavior}', must be one of: {', '.join(BEHAVIORS)}"
        )
    _check_ttl(session.ttl, server.session_ttl_min_ns)
    stamped = replace(session, id=server.new_uuid(), behavior=session.behavior or RELEASE)
    return commands.SessionCreate(session=stamped)


def _check_ttl(ttl: str, ttl_min_ns: int) -> None:
    if not ttl:
        return
    try:
        span_ns = parse_duration(ttl)
    except ValueError as error:
        raise BadRequest(f"Request has an invalid Session TTL '{ttl}': {error}") from None
    if span_ns != 0 and not ttl_min_ns <= span_ns <= TTL_MAX_NS:
        raise BadRequest(
            f"Invalid Session TTL '{ttl}', must be between "
            f"[{short_duration(ttl_min_ns)}={short_duration(TTL_MAX_NS)}]"
        )


def short_duration(span_ns: int) -> str:
    """A duration's text without trailing zero units: ``24h`` rather than ``24h0m0s``."""
    text = format_duration(span_ns)
    for tail in ("m0s", "h0m"):
        if text.endswith(tail):
            text = text[:-2]
    return text


def destroy(_server: ServerContext, request: SessionDestroy) -> Command:
    """See SessionDestroy."""
    require_uuid("session", request.id)
    return commands.SessionDestroy(id=request.id)


def renew(server: ServerContext, request: SessionRenew) -> Done:
    """Nothing is written: only the leader's timer starts anew."""
    require_uuid("session", request.id)
    session = server.store.get(SESSIONS, request.id)
    if session is not None:
        server.timers.renew(session.id, session.ttl)
    return Done(session)


def get(read: Read, request: SessionGet, _server: ServerContext) -> list[Session]:
    """See SessionGet."""
    require_uuid("session", request.id)
    return queries.info(read, request.id)


def of_node(read: Read, request: NodeSessions, _server: ServerContext) -> list[Session]:
    """See NodeSessions."""
    return queries.of_node(read, request.node)


def list_all(read: Read, _request: SessionList, _server: ServerContext) -> list[Session]:
    """See SessionList."""
    return queries.all_sessions(read)
