import logging

import pytest

from gossip.core.effects import (
    Change,
    ConflictSeen,
    EventReceived,
    KeyringChanged,
    MembersChanged,
    QueryReceived,
    Stop,
)
from gossip.core.types import (
    Address,
    Coordinate,
    LamportTime,
    Member,
    Query,
    QueryFlag,
    Status,
    UserEvent,
    Versions,
)
from gossip.notices import Notices
from gossip.surroundings import SilentListener
from tests.gossip.nodes import Heard

ADDRESS = Address(bytes((127, 0, 0, 1)), 8301)
OTHER = Address(bytes((127, 0, 0, 2)), 8301)
MEMBER = Member("b", ADDRESS, {}, Status.ALIVE, Versions(1, 5, 2, 2, 5, 5))
EVENT = UserEvent(LamportTime(1), "deploy", b"1", coalesce=False)
QUERY = Query(LamportTime(1), 7, OTHER, "b", (), QueryFlag.NONE, 0, 10**9, "who", b"")
COORDINATE = Coordinate((0.0,) * 8, 1.5, 0.0, 1e-5)


def test_each_effect_becomes_its_call() -> None:
    heard = Heard("a")
    answers: list[tuple[Query, bytes]] = []
    notices = Notices(heard, lambda query, payload: answers.append((query, payload)))

    notices.tell(MembersChanged(Change.FAILED, (MEMBER,)))
    notices.tell(EventReceived(EVENT))
    notices.tell(QueryReceived(QUERY, 10.0))
    notices.tell(KeyringChanged((b"k" * 16,)))
    notices.tell(ConflictSeen("b", ADDRESS, OTHER))
    notices.tell(Stop("outvoted"))
    notices.tell(COORDINATE)

    assert [(Change.FAILED, "b")] == heard.changes
    assert [EVENT] == heard.events
    assert [(QUERY, b"a")] == answers
    assert [(b"k" * 16,)] == heard.keyrings
    assert [("b", ADDRESS, OTHER)] == heard.conflicts
    assert ["outvoted"] == heard.stops
    assert [COORDINATE] == heard.coordinates


class Broken(SilentListener):
    def event_received(self, _event: UserEvent, /) -> None:
        raise ValueError("the application's fault")


def test_fault_of_the_listener_is_logged_and_stays_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notices = Notices(Broken(), lambda _query, _payload: None)

    with caplog.at_level(logging.ERROR, "gossip"):
        notices.tell(EventReceived(EVENT))

    assert ["the gossip listener failed on EventReceived"] == [
        record.getMessage() for record in caplog.records
    ]
