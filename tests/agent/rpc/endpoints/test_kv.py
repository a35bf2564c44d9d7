"""Writes of keys, before they are proposed."""

import pytest

from agent.rpc.endpoints.kv import KvApply, apply
from agent.rpc.server import Done
from catalog.commands import KvOperation, KvVerb
from catalog.errors import BadRequest, Invalid
from tests.agent.rpc.endpoints.server import NEW_UUID, make_server


def operation(verb: KvVerb, key: str = "k", session: str = "") -> KvOperation:
    return KvOperation(verb=verb, key=key, value=b"", session=session)


def test_a_write_is_proposed_as_it_is():
    wanted = operation(KvVerb.SET)

    assert apply(make_server(), KvApply(operation=wanted)) is wanted


def test_a_key_under_a_lock_delay_is_refused_without_a_command():
    server = make_server()
    server.timers.delayed.add("k")

    locked = apply(server, KvApply(operation=operation(KvVerb.LOCK, session=NEW_UUID)))

    assert locked == Done(False)
    assert apply(server, KvApply(operation=operation(KvVerb.SET))) != Done(False)


def test_a_lock_needs_a_session_id():
    with pytest.raises(Invalid, match='UUID must be 36 characters, got "x"'):
        apply(make_server(), KvApply(operation=operation(KvVerb.LOCK, session="x")))


def test_only_a_tree_may_have_no_key():
    with pytest.raises(BadRequest, match="Must provide key"):
        apply(make_server(), KvApply(operation=operation(KvVerb.DELETE, key="")))

    wanted = operation(KvVerb.DELETE_TREE, key="")
    assert apply(make_server(), KvApply(operation=wanted)) is wanted
