"""Writes of sessions and what their end does to locks. Source: Consul API, /v1/session."""

from msgspec.structs import replace

from catalog.duration import parse_duration
from catalog.errors import BadRequest
from catalog.rows.check import CRITICAL
from catalog.rows.session import DELETE, Session
from catalog.tables import CHECKS, KV, NODES, QUERIES, SESSIONS, session_checks
from catalog.writes import kv
from catalog.writes.tx import LOCK_DELAY_NS_MAX, LockDelayed, SessionBegan, SessionEnded, Tx


def create(tx: Tx, session: Session) -> str:
    """Store a new session and return its id. Refuses unknown nodes and failing checks."""
    node = tx.store.get(NODES, session.node.lower())
    if node is None:
        raise BadRequest(f"Missing node registration: Node '{session.node}' is not registered")
    for check_id in session_checks(session):
        check = tx.store.get(CHECKS, (session.node.lower(), check_id))
        if check is None:
            raise BadRequest(f"Missing check '{check_id}' registration")
        if check.status == CRITICAL:
            raise BadRequest(f"Check '{check_id}' is in {CRITICAL} state")
    tx.store.put(SESSIONS, replace(session, create_index=tx.index, modify_index=tx.index))
    tx.changed("sessions")
    if session.ttl and parse_duration(session.ttl) > 0:
        tx.effects.append(SessionBegan(session.id, session.ttl))
    return session.id


def destroy(tx: Tx, session_id: str) -> bool:
    """End a session: release or delete its keys, start their lock-delay, drop its queries."""
    session = tx.store.delete(SESSIONS, session_id)
    if session is None:
        return True
    tx.changed("sessions")
    tx.effects.append(SessionEnded(session_id))
    delay_ns = min(session.lock_delay, LOCK_DELAY_NS_MAX)
    for pair in tx.store.find(KV, "session", session_id):
        if session.behavior == DELETE:
            kv.delete(tx, pair.key)
        else:
            kv.release(tx, pair)
        if delay_ns > 0:
            tx.effects.append(LockDelayed(pair.key, delay_ns))
    bound = tx.store.find(QUERIES, "session", session_id)
    for query in bound:
        tx.store.delete(QUERIES, query.id)
    if bound:
        tx.changed("prepared-queries")
    return True


def end_for_check(tx: Tx, node: str, check_id: str) -> None:
    """End the sessions that are bound to a check which failed or is gone."""
    for session in tx.store.find(SESSIONS, "check", (node.lower(), check_id)):
        destroy(tx, session.id)


def end_for_node(tx: Tx, node: str) -> None:
    """End the sessions of a node that is gone."""
    for session in tx.store.find(SESSIONS, "node", node.lower()):
        destroy(tx, session.id)
