"""Serf's name conflict resolution: the pool votes on who is meant."""

import pytest

from gossip.core.effects import ConflictSeen, Stop
from gossip.core.types import (
    ConflictVote,
    Member,
    Query,
    QueryFlag,
    QueryResponse,
    Status,
)
from tests.gossip.core.solo import PAYLOADS, VERSIONS, Solo, address, alive, only, said, sent


def challenged(**settings) -> Solo:
    one = Solo(probe_interval_s=1e6, **settings)
    one.meet("b", "c", "d")
    one.drain()
    one.hear(alive("a", 66, 1))
    return one


def vote(query: Query, sender: str, last: int | None) -> QueryResponse:
    member = None
    if last is not None:
        member = Member("a", address(last), {}, Status.ALIVE, VERSIONS)
    payload = PAYLOADS.encode(ConflictVote(member))
    return QueryResponse(query.time, query.id, sender, QueryFlag.NONE, payload)


def outcome(*votes: int | None) -> list[Stop]:
    one = challenged()
    query = said(one.advance(0.3), Query)[0]
    assert ("_serf_conflict", b"a") == (query.name, query.payload)
    one.hear_cluster(*[vote(query, f"v{n}", last) for n, last in enumerate(votes)])
    return only(one.advance(10), Stop)


@pytest.mark.parametrize("votes", [(1, 1, 66), (1,), (1, 1, None)])
def test_majority_for_us_lets_us_stay(votes):
    assert [] == outcome(*votes)


@pytest.mark.parametrize("votes", [(66,), (1, 66), (1, 66, 66), (None, None)])
def test_minority_stops_us(votes):
    matching = votes.count(1)

    reason = f"minority in name conflict resolution [{matching} / {len(votes)}]"
    assert [Stop(reason)] == outcome(*votes)


def test_silence_lets_us_stay():
    """One forged message must not stop a lone node."""
    assert [] == outcome()


def test_one_vote_at_a_time():
    one = challenged()
    one.hear(alive("a", 66, 1), alive("a", 67, 1))

    assert 1 == len(said(one.advance(0.5), Query))


def test_conflict_is_only_reported_when_resolution_is_off_or_about_others():
    one = challenged(resolve_name_conflicts=False)
    one.hear(alive("b", 66, 5))

    assert [
        ConflictSeen("a", address(1), address(66)),
        ConflictSeen("b", address(2), address(66)),
    ] == (only(one.effects, ConflictSeen))
    assert [] == said(one.advance(0.5), Query)


def asked(name: str) -> Query:
    return Query(
        5, 77, address(9), name, (), QueryFlag.NONE, 0, 10**10, "_serf_conflict", name.encode()
    )


def test_others_say_what_they_know():
    one = Solo()
    one.meet("b")

    replies = sent(one.hear_cluster(asked("b")), QueryResponse)
    assert address(2) == PAYLOADS.decode(replies[0][1].payload).member.address


def test_unknown_name_is_answered_with_nobody():
    replies = sent(Solo().hear_cluster(asked("x")), QueryResponse)

    assert ConflictVote(None) == PAYLOADS.decode(replies[0][1].payload)


def test_holder_of_the_name_has_no_vote():
    assert [] == sent(Solo().hear_cluster(asked("a")), QueryResponse)
