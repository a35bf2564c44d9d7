"""Claims about the lock recipe. Source: surface.md §10.6."""

import threading

import pytest

from agent.cli.client import Client
from agent.cli.failure import Failure
from agent.cli.holding import Deadline
from agent.cli.mutex import LOCK_FLAGS, Mutex
from agent.cli.session import Session
from agent.cli.settings import settings_from
from tests.agent.cli.fake_agent import Row


@pytest.fixture
def contender(agent):
    """Make a mutex with an open session; all sessions are closed at the end."""
    client = Client(settings_from({"http-addr": agent.address}, {}))
    sessions = []

    def make():
        session = Session(client, "t", behavior="release")
        session.open()
        sessions.append(session)
        return Mutex(client, "p/.lock", session, 0), session

    yield make
    for session in sessions:
        session.close()


def test_free_key_is_taken_with_the_lock_flags(agent, contender):
    mutex, session = contender()

    assert mutex.acquire(Deadline(0))
    assert agent.rows["p/.lock"].session == session.id
    assert agent.rows["p/.lock"].flags == LOCK_FLAGS


def test_second_contender_gives_up_at_its_deadline(agent, contender, monkeypatch):
    monkeypatch.setattr("tests.agent.cli.fake_agent.BLOCK_S_MAX", 0.05)
    contender()[0].acquire(Deadline(0))

    assert not contender()[0].acquire(Deadline(0.1))


def test_waiting_contender_gets_the_key_as_soon_as_it_is_released(agent, contender):
    first, _ = contender()
    second, session = contender()
    first.acquire(Deadline(0))
    acquired = threading.Event()
    thread = threading.Thread(target=lambda: second.acquire(Deadline(0)) and acquired.set())
    thread.start()

    first.release()

    assert acquired.wait(4)
    thread.join()
    assert agent.rows["p/.lock"].session == session.id


def test_loss_is_noticed(agent, contender):
    mutex, session = contender()
    mutex.acquire(Deadline(0))
    lost = threading.Event()
    thread = threading.Thread(target=lambda: (mutex.await_loss(), lost.set()))
    thread.start()

    with agent.changed:
        agent.end_session(session.id)

    assert lost.wait(4)
    thread.join()


def test_lock_delay_is_waited_out(agent, contender, monkeypatch):
    monkeypatch.setattr("agent.cli.mutex.LOCK_DELAY_RETRY_S", 0.01)
    agent.say("PUT", "/v1/kv/p/.lock", False)
    agent.say("PUT", "/v1/kv/p/.lock", False)
    agent.say("PUT", "/v1/kv/p/.lock", True)

    assert contender()[0].acquire(Deadline(0))


def test_key_of_another_use_is_refused(agent, contender):
    agent.rows["p/.lock"] = Row(b"", 0, "", 1, 1)

    with pytest.raises(Failure, match="Existing key does not match lock use"):
        contender()[0].acquire(Deadline(0))


def test_tidy_deletes_only_what_nobody_holds(agent, contender):
    first, _ = contender()
    first.acquire(Deadline(0))

    assert not contender()[0].tidy()
    first.release()
    assert first.tidy()
    assert agent.rows == {}
    assert first.tidy()
