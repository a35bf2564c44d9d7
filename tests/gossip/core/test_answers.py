from gossip.core.answers import Answers
from gossip.core.effects import Warn
from gossip.core.types import Query, QueryFlag, QueryResponse
from tests.gossip.core.solo import address, surroundings

QUERY = Query(5, 77, address(1), "a", (), QueryFlag.NONE, 0, 10**9, "q", b"")


def response(sender: str) -> QueryResponse:
    return QueryResponse(5, 77, sender, QueryFlag.NONE, b"")


def test_end_reports_once_and_later_answers_are_dropped():
    around, ends = surroundings(), []
    answers = Answers(around)
    answers.expect(QUERY, 3, lambda *_: None, lambda *counts: ends.append(counts))
    answers.take(response("b"))

    answers.end((5, 77))
    answers.end((5, 77))
    answers.take(response("c"))

    assert [(0, 1)] == ends
    assert [Warn("late or unknown query response", "c", "")] == around.take_effects()


def test_senders_are_bounded_by_the_size_of_the_pool():
    senders = []
    answers = Answers(surroundings())
    answers.expect(QUERY, 10, lambda sender, _: senders.append(sender), lambda *_: None)
    for number in range(100):
        answers.take(response(f"forged-{number}"))

    assert 20 == len(senders)
