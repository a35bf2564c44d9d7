"""How a cluster begins, and that servers which saw different members never share one."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server import bootstrap
from agent.server.bootstrap import Bootstrap, Conflict, Mode, Ready, Wait, first_configuration, look
from agent.server.consensus import quorum
from gossip.core.types import Status
from raft.entries import cluster_id, encode_configuration
from raft.errors import Stopped
from tests.agent.harness import until, within
from tests.agent.server.fleet import (
    Log,
    Others,
    in_short,
    members_of,
    non_voter,
    seen,
    voter,
)


def expecting(ids: str, expect: int = 3) -> list:
    return [seen(i, expect=expect) for i in ids]


# What the members mean.


def test_too_few_servers_are_waited_for():
    assert Wait(2) == look(expecting("ab"), "a", 3)


def test_enough_servers_begin_together():
    seen_now = look(expecting("abc"), "a", 3)

    assert isinstance(seen_now, Ready)
    assert members_of("abc") == seen_now.configuration
    assert ["b", "c"] == [other.id for other in seen_now.others]


def test_more_servers_than_expected_all_belong_to_it():
    assert members_of("abcd") == look(expecting("abcd"), "a", 3).configuration


def test_read_replicas_are_no_voters_and_do_not_count():
    replica = seen("c", expect=3, read_replica=True)

    assert Wait(2) == look([*expecting("ab"), replica], "a", 3)
    assert members_of("abd", "c") == look([*expecting("abd"), replica], "a", 3).configuration


@pytest.mark.parametrize("status", [Status.FAILED, Status.LEFT, Status.LEAVING])
def test_a_server_that_is_gone_does_not_count(status):
    assert Wait(2) == look([*expecting("ab"), seen("c", status, expect=3)], "a", 3)


def test_who_does_not_see_itself_waits():
    assert Wait(3) == look(expecting("bcd"), "a", 3)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (seen("b", expect=5), "srv-b expects 5 servers, this one 3; all must expect the same"),
        (seen("b", bootstrap=True), "srv-b is in bootstrap mode"),
    ],
)
def test_a_server_that_is_configured_otherwise_stops_it(other, reason):
    found = look([*expecting("acd"), other], "a", 3)

    assert isinstance(found, Conflict)
    assert reason in found.reason


def test_a_server_that_expects_nothing_is_counted():
    assert isinstance(look([*expecting("ab"), seen("c")], "a", 3), Ready)


# The server that begins.


class Beginner:
    """Server a, with gossip and the others under the test's hand."""

    def __init__(self, mode: Mode = Mode(expect=3), **others: object) -> None:  # noqa: B008 - frozen
        self.members = expecting("a")
        self.log = Log()
        self.others = Others(others)
        self.paused_s: list[float] = []
        self.bootstrap = Bootstrap(
            voter("a"),
            mode,
            members=lambda: self.members,
            consensus=self.log,
            ask=self.others.ask,
            sleep=self.pause,
        )

    async def pause(self, span_s: float) -> None:
        self.paused_s.append(span_s)

    async def see(self, ids: str) -> None:
        self.members = expecting(ids)
        self.bootstrap.members_changed()
        await asyncio.sleep(0)

    @property
    def begun(self) -> str:
        return in_short(self.log.configuration.servers)


async def test_alone_it_begins_at_once():
    beginner = Beginner(Mode(alone=True))

    await within(beginner.bootstrap.run())

    assert ("a", []) == (beginner.begun, beginner.others.asked)


async def test_with_others_it_begins_once_all_are_there_and_none_has_a_cluster():
    beginner = Beginner(b=(), c=())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(beginner.bootstrap.run())
        await beginner.see("ab")
        assert not running.done()
        await beginner.see("abc")
        await within(running)

    assert ("abc", ["b", "c"]) == (beginner.begun, beginner.others.asked)


async def test_a_server_that_has_a_cluster_ends_it():
    beginner = Beginner(b=(), c=("10.0.0.1:8300",))
    beginner.members = expecting("abc")

    await within(beginner.bootstrap.run())

    assert "" == beginner.begun


async def test_a_server_without_a_mode_or_a_vote_waits_to_be_added():
    replica = Bootstrap(
        non_voter("a"),
        Mode(expect=3),
        members=list,
        consensus=Log(),
        ask=Others({}).ask,
    )
    plain = Beginner(Mode())

    await within(replica.run())
    await within(plain.bootstrap.run())

    assert "" == plain.begun


async def test_a_log_that_is_there_already_is_kept():
    beginner = Beginner(Mode(alone=True))
    beginner.log.last_index = 7

    await within(beginner.bootstrap.run())

    assert "" == beginner.begun


async def test_a_server_that_is_slow_is_asked_again_with_growing_pauses():
    answers = iter([None, None, ()])
    beginner = Beginner(b=lambda: next(answers), c=())
    beginner.members = expecting("abc")

    await within(beginner.bootstrap.run())

    assert ("abc", [1.0, 2.0]) == (beginner.begun, beginner.paused_s)


async def test_a_server_that_never_answers_may_have_a_cluster_so_it_is_waited_for(monkeypatch):
    monkeypatch.setattr(bootstrap, "LOOK_INTERVAL_S", 0.0)
    beginner = Beginner(b=())
    beginner.members = expecting("abc")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(beginner.bootstrap.run())
        await until(lambda: beginner.others.asked.count("c") >= 2 * bootstrap.ATTEMPTS_MAX)
        assert "" == beginner.begun
        assert [1.0, 2.0, 4.0, 8.0, 16.0] == beginner.paused_s[:5]
        beginner.others.answers["c"] = ()
        await within(running)

    assert "abc" == beginner.begun


async def test_a_leader_that_comes_while_others_are_asked_ends_it():
    beginner = Beginner(b=lambda: setattr(beginner.log, "last_index", 9), c=())
    beginner.members = expecting("abc")

    await within(beginner.bootstrap.run())

    assert "" == beginner.begun


async def test_a_conflict_that_is_mended_lets_it_begin():
    beginner = Beginner(b=(), c=())
    beginner.members = [*expecting("ac"), seen("b", expect=5)]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(beginner.bootstrap.run())
        await asyncio.sleep(0)
        beginner.bootstrap.members_changed()
        await asyncio.sleep(0)
        assert not running.done()
        await beginner.see("abc")
        await within(running)

    assert "abc" == beginner.begun


async def test_a_log_that_cannot_begin_is_reported_and_no_more():
    beginner = Beginner(Mode(alone=True))

    async def refuse(_configuration: object) -> bool:
        raise Stopped("the disk is full")

    beginner.log.bootstrap = refuse

    await within(beginner.bootstrap.run())

    assert "" == beginner.begun


# Lists that differ.

IDS = st.sets(st.sampled_from("abcdefg"), min_size=3).map(lambda ids: "".join(sorted(ids)))


def identity(members: list) -> bytes:
    return cluster_id(encode_configuration(first_configuration(members)))


@given(IDS, st.randoms(use_true_random=False))
def test_servers_that_see_the_same_members_begin_the_same_cluster(ids, rng):
    members = expecting(ids)
    shuffled = list(members)
    rng.shuffle(shuffled)

    assert identity(members) == identity(shuffled)


@given(IDS, IDS, st.data())
def test_servers_that_saw_different_members_never_form_one_cluster(first, second, data):
    """A server is of the list that it began with, or of the first one that it met, for ever.

    Whoever is of another one is not talked to. So nobody supports the leaders of two lists.
    """
    lists = {identity(expecting(ids)): set(ids) for ids in (first, second)}
    is_of = {
        server: data.draw(st.sampled_from([mark for mark in lists if server in lists[mark]]))
        for server in sorted({*first, *second})
    }

    supporters = {mark: {s for s in ids if is_of[s] == mark} for mark, ids in lists.items()}
    led = [mark for mark, ids in lists.items() if len(supporters[mark]) >= quorum(len(ids))]

    assert (first == second) == (len(lists) == 1)
    assert sum(len(supporters[mark]) for mark in led) <= len(is_of)
