"""Claims about sessions that are kept alive."""

import threading

import pytest

from agent.cli.client import Client
from agent.cli.failure import Failure
from agent.cli.session import Session
from agent.cli.settings import settings_from


@pytest.fixture
def client(agent):
    return Client(settings_from({"http-addr": agent.address}, {}))


def test_request_has_the_ttl_and_behavior_of_the_recipe(agent, client):
    session = Session(client, "n", behavior="delete", node="other")
    session.open()

    expected = {"Name": "n", "TTL": "15s", "Behavior": "delete", "Node": "other"}
    assert expected == agent.sessions[session.id]
    session.close()
    assert agent.sessions == {}


def test_session_is_renewed_until_it_is_closed(agent, client, monkeypatch):
    monkeypatch.setattr("agent.cli.session.RENEW_INTERVAL_S", 0.01)
    renewed = threading.Event()
    answer = agent.answer

    def noting(request):
        if "/renew/" in request.path:
            renewed.set()
        return answer(request)

    agent.answer = noting
    session = Session(client, "n", behavior="release")
    session.open()

    assert renewed.wait(2)
    session.close()


def test_expired_session_ends_the_renewal(agent, client, monkeypatch):
    monkeypatch.setattr("agent.cli.session.RENEW_INTERVAL_S", 0.01)
    session = Session(client, "n", behavior="release")
    session.open()
    with agent.changed:
        agent.end_session(session.id)

    for thread in threading.enumerate():
        if thread.name == "session renewal":
            thread.join(2)
            assert not thread.is_alive()
    session.close()


def test_close_during_creation_ends_what_was_created(agent, client):
    creating, proceed = threading.Event(), threading.Event()
    answer = agent.answer

    def slowly(request):
        if request.path == "/v1/session/create":
            creating.set()
            proceed.wait(2)
        return answer(request)

    agent.answer = slowly
    session = Session(client, "n", behavior="release")
    opening = threading.Thread(target=session.open)
    closing = threading.Thread(target=session.close)
    opening.start()
    creating.wait(2)
    closing.start()
    proceed.set()
    opening.join()
    closing.join()

    assert agent.sessions == {}


def test_closed_session_is_not_opened(agent, client):
    session = Session(client, "n", behavior="release")
    session.close()

    with pytest.raises(Failure, match="closed"):
        session.open()
