"""Reads of sessions. Source: Consul API, /v1/session."""

from catalog.read import Read
from catalog.rows.session import Session
from catalog.tables import SESSIONS


def info(read: Read, session_id: str) -> list[Session]:
    """One session, or none."""
    read.depend("sessions")
    session = read.store.get(SESSIONS, session_id)
    return [] if session is None else [session]


def of_node(read: Read, node: str) -> list[Session]:
    """The sessions of a node."""
    read.depend("sessions")
    return read.store.find(SESSIONS, "node", node.lower())


def all_sessions(read: Read) -> list[Session]:
    """Every session, in the order of the ids."""
    read.depend("sessions")
    return read.store.all(SESSIONS)
