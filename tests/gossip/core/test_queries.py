"""Serf's queries: asked to many, answered to one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.effects import Completed, QueryAnswer, QueryFinished, QueryReceived
from gossip.core.inputs import Ask, Respond
from gossip.core.snapshot import Replay
from gossip.core.types import (
    NodeFilter,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
)
from tests.gossip.core.solo import Solo, address, only, said, sent

ASKER = address(9)


def query(**changes) -> Query:
    fields = {
        "time": 5, "id": 77, "source": ASKER, "source_node": "z", "filters": (),
        "flags": QueryFlag.NONE, "relay_factor": 0, "timeout_ns": 10**10, "name": "uptime",
        "payload": b"?",
    }  # fmt: skip
    return Query(**fields | changes)


def quiet(*names: str, **settings) -> Solo:
    one = Solo(probe_interval_s=1e6, push_pull_interval_s=1e6, **settings)
    one.meet(*names)
    one.drain()
    return one


def test_query_is_shown_passed_on_and_answered_once():
    one = quiet("b")
    effects = one.hear_cluster(query(), query())
    assert [QueryReceived(query(), one.now + 10)] == only(effects, QueryReceived)

    answered = one.step(Respond(1, 5, 77, b"3 days"))
    again = one.step(Respond(2, 5, 77, b"4 days"))

    response = QueryResponse(5, 77, "a", QueryFlag.NONE, b"3 days")
    assert [(ASKER, response)] == sent(answered, QueryResponse)
    assert [Completed(2, "no such query, or it was answered")] == again
    assert [query()] == said(one.advance(0.3), Query)


def test_ack_is_sent_at_once_when_wanted():
    one = quiet()

    assert [(ASKER, QueryResponse(5, 77, "a", QueryFlag.ACK, b""))] == sent(
        one.hear_cluster(query(flags=QueryFlag.ACK)), QueryResponse
    )


def test_query_for_others_is_passed_on_but_not_answered():
    one = quiet("b")
    effects = one.hear_cluster(query(filters=(NodeFilter(("b",)),), flags=QueryFlag.ACK))

    assert ([], []) == (only(effects, QueryReceived), sent(effects, QueryResponse))
    assert 1 == one.node.queue_depths["queries"]


def test_query_marked_so_is_not_passed_on():
    one = quiet("b")
    one.hear_cluster(query(flags=QueryFlag.NO_BROADCAST))

    assert 0 == one.node.queue_depths["queries"]


def test_old_query_is_dropped():
    one = quiet()
    one.hear_cluster(query(time=600))

    assert [] == only(one.hear_cluster(query(time=80)), QueryReceived)


def test_restart_answers_no_query_of_the_last_run():
    one = Solo(history=Replay(alive={}, query_time=10))

    assert 1 == len(only(one.hear_cluster(query(time=10), query(time=11)), QueryReceived))


def test_response_after_the_deadline_is_refused():
    one = quiet()
    one.hear_cluster(query(timeout_ns=10**9))
    one.advance(2)

    assert [Completed(1, "response is past the deadline")] == one.step(Respond(1, 5, 77, b""))


def test_response_is_limited_when_encoded():
    one = quiet()
    one.hear_cluster(query())

    assert (
        "response exceeds limit of 1024 bytes" == one.step(Respond(1, 5, 77, bytes(1024)))[0].error
    )


def test_relays_carry_copies_of_the_response():
    one = quiet("b", "c", "d")
    one.hear_cluster(query(relay_factor=2))

    effects = one.step(Respond(1, 5, 77, b"x"))

    relays = sent(effects, Relay)
    assert 2 == len({to for to, _ in relays})
    assert {(ASKER, "z", b"x")} == {(m.target, m.target_node, m.message.payload) for _, m in relays}


def test_no_relays_in_a_pool_that_is_too_small():
    one = quiet("b")
    one.hear_cluster(query(relay_factor=5))

    assert [] == sent(one.step(Respond(1, 5, 77, b"x")), Relay)


def test_relay_is_unwrapped_and_passed_on():
    one = quiet()
    response = QueryResponse(5, 77, "b", QueryFlag.NONE, b"x")

    assert [(ASKER, response)] == sent(one.hear_cluster(Relay(ASKER, "z", response)), QueryResponse)


def ask(one: Solo, **changes) -> Query:
    """Ask, and find the query that goes out."""
    one.step(Ask(3, "uptime", b"?", **changes))
    return said(one.advance(0.3), Query)[0]


def test_answers_are_matched_and_counted_once_a_sender():
    one = quiet("b", "c")
    asked = ask(one, want_ack=True, timeout_s=2.0)

    def answer(sender: str, flags: QueryFlag, payload: bytes = b"") -> QueryResponse:
        return QueryResponse(asked.time, asked.id, sender, flags, payload)

    effects = one.hear_cluster(
        answer("b", QueryFlag.ACK), answer("b", QueryFlag.ACK),
        answer("b", QueryFlag.NONE, b"1"), answer("b", QueryFlag.NONE, b"2"),
        answer("c", QueryFlag.NONE, b"3"),
        QueryResponse(asked.time, asked.id + 1, "c", QueryFlag.NONE, b"other"),
    )  # fmt: skip

    assert [
        QueryAnswer(3, "b", None),
        QueryAnswer(3, "b", b"1"),
        QueryAnswer(3, "c", b"3"),
    ] == only(effects, QueryAnswer)
    assert [QueryFinished(3, 2, 2)] == only(one.advance(2), QueryFinished)  # our own ack too
    assert [] == only(one.hear_cluster(answer("d", QueryFlag.NONE)), QueryAnswer)


def test_asker_answers_itself():
    one = quiet()
    received = only(one.step(Ask(3, "uptime", want_ack=True)), QueryReceived)[0].query

    effects = one.step(Respond(4, received.time, received.id, b"me"))

    assert [QueryAnswer(3, "a", None)] == only(one.effects, QueryAnswer)[:1]
    assert [QueryAnswer(3, "a", b"me")] == only(effects, QueryAnswer)


def test_relayed_answer_to_ourselves_is_taken():
    one = quiet("b")
    asked = ask(one)
    response = QueryResponse(asked.time, asked.id, "b", QueryFlag.NONE, b"x")

    assert [QueryAnswer(3, "b", b"x")] == only(
        one.hear_cluster(Relay(address(1), "a", response)), QueryAnswer
    )


def test_default_timeout_is_sixteen_gossip_rounds_a_decade_of_members():
    """Two members on the LAN profile: 3.2 s."""
    one = quiet("b")

    assert 3_200_000_000 == ask(one).timeout_ns


def test_too_large_a_query_is_refused():
    effects = quiet().step(Ask(3, "uptime", bytes(1100)))

    assert [Completed(3, "query exceeds limit of 1024 bytes")] == effects


def test_own_queries_and_open_queries_are_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.answers.QUERIES_MAX", 1)
    monkeypatch.setattr("gossip.core.queries.OPEN_MAX", 1)
    one = quiet()
    one.step(Ask(3, "one"))

    assert [Completed(4, "too many queries at once")] == one.step(Ask(4, "two"))
    one.hear_cluster(query(id=1), query(id=2))
    assert "" != one.step(Respond(5, 5, 1, b""))[0].error
    assert "" == one.step(Respond(6, 5, 2, b""))[-1].error


def test_answered_and_overdue_queries_are_forgotten():
    one = quiet()
    one.hear_cluster(query(timeout_ns=10**9))
    one.advance(16)

    assert {} == one.node._queries._open


def test_unknown_internal_query_is_only_acknowledged():
    one = quiet()
    ping = query(name="_serf_ping", flags=QueryFlag.ACK)

    effects = one.hear_cluster(ping, query(id=78, name="_serf_future"))

    assert [] == only(effects, QueryReceived)
    assert 1 == len(sent(effects, QueryResponse))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
@pytest.mark.filterwarnings("ignore")
def test_any_timeout_from_the_network_is_bearable(timeout_ns):
    one = quiet()
    deadline = only(one.hear_cluster(query(timeout_ns=timeout_ns)), QueryReceived)[0].deadline

    assert 0.0 <= deadline <= 24 * 3600.0
