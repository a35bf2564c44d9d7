"""Claims about the semaphore recipe. Source: surface.md §10.6."""

import json
import threading

import pytest

from agent.cli.client import Client
from agent.cli.failure import Failure
from agent.cli.holding import Deadline
from agent.cli.semaphore import SEMAPHORE_FLAGS, Semaphore
from agent.cli.session import Session
from agent.cli.settings import settings_from
from tests.agent.cli.fake_agent import Row


@pytest.fixture
def contender(agent):
    client = Client(settings_from({"http-addr": agent.address}, {}))
    sessions = []

    def make(limit=2):
        session = Session(client, "t", behavior="delete")
        session.open()
        sessions.append(session)
        return Semaphore(client, "p", session, 0, limit=limit), session

    yield make
    for session in sessions:
        session.close()


def test_holders_and_limit_are_stored_as_other_clients_read_them(agent, contender):
    semaphore, session = contender()

    assert semaphore.acquire(Deadline(0))
    row = agent.rows["p/.lock"]
    assert json.loads(row.value) == {"Limit": 2, "Holders": {session.id: True}}
    assert row.flags == SEMAPHORE_FLAGS
    assert agent.rows[f"p/{session.id}"].session == session.id
    assert agent.rows[f"p/{session.id}"].flags == SEMAPHORE_FLAGS


def test_no_more_than_the_limit_hold_and_a_release_lets_the_next_in(agent, contender):
    first, second, third = contender()[0], contender()[0], contender()[0]
    assert first.acquire(Deadline(0))
    assert second.acquire(Deadline(0))
    entered = threading.Event()
    thread = threading.Thread(target=lambda: third.acquire(Deadline(0)) and entered.set())
    thread.start()

    assert not entered.wait(0.1)
    first.release()

    assert entered.wait(4)
    thread.join()


def test_place_of_a_dead_holder_is_free(agent, contender):
    first, dead = contender(1)
    first.acquire(Deadline(0))
    with agent.changed:
        agent.end_session(dead.id)

    assert contender(1)[0].acquire(Deadline(0))


def test_loss_is_noticed(agent, contender):
    semaphore, session = contender()
    semaphore.acquire(Deadline(0))
    lost = threading.Event()
    thread = threading.Thread(target=lambda: (semaphore.await_loss(), lost.set()))
    thread.start()

    with agent.changed:
        agent.end_session(session.id)

    assert lost.wait(4)
    thread.join()


def test_other_limit_and_other_use_are_refused(agent, contender):
    contender(2)[0].acquire(Deadline(0))

    with pytest.raises(Failure, match=r"semaphore limit conflict \(lock: 2, local: 3\)"):
        contender(3)[0].acquire(Deadline(0))
    agent.rows["p/.lock"] = Row(b"", 0, "", 1, 1)
    with pytest.raises(Failure, match="Existing key does not match semaphore use"):
        contender(2)[0].acquire(Deadline(0))


def test_tidy_leaves_nothing_behind(agent, contender):
    first, second = contender()[0], contender()[0]
    first.acquire(Deadline(0))
    second.acquire(Deadline(0))

    first.release()
    assert not first.tidy()
    second.release()
    assert second.tidy()
    assert agent.rows == {}
