"""Sessions, before they are proposed."""

import pytest

from agent.rpc.endpoints.session import (
    SessionApply,
    SessionDestroy,
    SessionRenew,
    create,
    destroy,
    renew,
    short_duration,
)
from agent.rpc.server import Done
from catalog.commands import SessionDestroy as DestroyCommand
from catalog.duration import HOUR, MINUTE, SECOND
from catalog.errors import BadRequest, CatalogError
from catalog.rows.session import Session
from catalog.tables import SESSIONS
from tests.agent.rpc.endpoints.server import NEW_UUID, make_server


def made(**fields) -> Session:
    session = Session(id="", **{"node": "n", **fields})
    return create(make_server(), SessionApply(session=session)).session


def test_a_new_session_gets_an_id_and_releases_by_default():
    assert (made().id, made(behavior="").behavior) == (NEW_UUID, "release")
    assert made(behavior="delete").behavior == "delete"


@pytest.mark.parametrize("ttl", ["", "0s", "10s", "24h", "86400s"])
def test_a_ttl_within_bounds_keeps_its_text(ttl):
    assert made(ttl=ttl).ttl == ttl


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"node": ""}, "Must provide Node"),
        ({"behavior": "x"}, "Invalid Behavior setting 'x', must be one of: release, delete"),
        ({"ttl": "9s"}, r"Invalid Session TTL '9s', must be between \[10s=24h\]"),
        ({"ttl": "24h1s"}, "Invalid Session TTL '24h1s'"),
        ({"ttl": "-10s"}, "Invalid Session TTL '-10s'"),
        ({"ttl": "x"}, "Request has an invalid Session TTL 'x': "),
    ],
)
def test_a_fault_is_refused_and_named(fields, text):
    with pytest.raises(BadRequest, match=text):
        made(**fields)


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [(24 * HOUR, "24h"), (90 * MINUTE, "1h30m"), (10 * SECOND, "10s"), (MINUTE, "1m")],
)
def test_durations_are_shown_without_zero_units(span_ns, text):
    assert short_duration(span_ns) == text


def test_a_renewal_starts_the_clock_and_writes_nothing():
    server = make_server()
    session = Session(id=NEW_UUID, ttl="10s")
    server.store.put(SESSIONS, session)

    assert renew(server, SessionRenew(id=NEW_UUID)) == Done(session)
    assert server.timers.renewed == [(NEW_UUID, "10s")]
    assert renew(make_server(), SessionRenew(id=NEW_UUID)) == Done(None)


def test_an_id_has_to_be_a_uuid():
    assert destroy(make_server(), SessionDestroy(id=NEW_UUID)) == DestroyCommand(id=NEW_UUID)
    for endpoint, request in ((destroy, SessionDestroy(id="x")), (renew, SessionRenew(id="x"))):
        with pytest.raises(CatalogError, match="x"):
            endpoint(make_server(), request)
