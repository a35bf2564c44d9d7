import pytest

from gossip.core.effects import AnswerStream, Completed, OpenStream, Warn
from gossip.core.inputs import Join, JoinTarget, StreamAnswered
from gossip.core.policy import OpenPolicy
from gossip.core.push_pull import TAKE_OVER_RETRY_S, interval_scale, version_conflict
from gossip.core.types import (
    NO_VERSIONS,
    Alive,
    ClusterState,
    ErrorReply,
    JoinIntent,
    NodeState,
    PushPull,
    State,
    Suspect,
    Versions,
)
from tests.gossip.core.solo import META, VERSIONS, Solo, address, only, said, vector

EMPTY = ClusterState(1, {}, (), 1, (), 1)


def entry(
    name: str, last: int, state: State = State.ALIVE, incarnation: int = 1, versions=VERSIONS
) -> NodeState:
    return NodeState(name, address(last), META, incarnation, state, versions)


def table(*nodes: NodeState, join: bool = False) -> PushPull:
    return PushPull(nodes, join, EMPTY)


def join(one: Solo, *last: int) -> OpenStream:
    return only(one.step(Join(7, tuple(JoinTarget(address(n)) for n in last))), OpenStream)[0]


@pytest.mark.parametrize(("count", "scale"), vector("table_push_pull_scale"))
def test_interval_grows_by_one_for_each_doubling(count, scale):
    assert scale == interval_scale(count)


def test_join_sends_our_table_and_completes_with_the_answer():
    one = Solo()
    stream = join(one, 2)

    effects = one.step(StreamAnswered(stream.stream, table(entry("b", 2), join=True)))

    assert (address(2), True, ["a"]) == (
        stream.to, stream.message.join, [node.name for node in stream.message.nodes],
    )  # fmt: skip
    assert [Completed(7, "", 1)] == only(effects, Completed)
    assert "ALIVE" == one.status("b")


def test_join_that_worked_is_told_to_the_pool():
    one = Solo()
    one.step(StreamAnswered(join(one, 2).stream, table(entry("b", 2))))

    assert ["a"] == [intent.node for intent in said(one.advance(1), JoinIntent)]


def test_join_tries_every_target_and_counts_those_that_worked():
    one = Solo()
    first = join(one, 2, 3)
    second = only(one.step(StreamAnswered(first.stream, None, "refused")), OpenStream)[0]

    effects = one.step(StreamAnswered(second.stream, table(entry("c", 3))))

    assert [address(2), address(3)] == [first.to, second.to]
    assert [Completed(7, "", 1)] == only(effects, Completed)


def test_join_that_reached_nobody_says_why():
    one = Solo()
    first = join(one, 2, 3)
    second = only(
        one.step(StreamAnswered(first.stream, ErrorReply("wrong datacenter"))), OpenStream
    )[0]

    effects = one.step(StreamAnswered(second.stream, None, "refused"))

    assert [Completed(7, "remote error: wrong datacenter", 0)] == only(effects, Completed)


def test_join_without_targets_joins_nobody():
    assert [Completed(7, "", 0)] == only(Solo().step(Join(7, ())), Completed)


def test_stream_that_is_never_reported_ends_by_itself():
    one = Solo()
    join(one, 2)

    assert Completed(7, "timed out", 0) in one.advance(12)


def test_number_of_joins_is_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.push_pull.JOINS_MAX", 1)
    one = Solo()
    join(one, 2)

    effects = one.step(Join(8, (JoinTarget(address(3)),)))

    assert [Completed(8, "too many joins at once", 0)] == only(effects, Completed)


def test_acceptor_answers_with_its_table_then_merges():
    one = Solo()

    effects = one.merge(table(entry("b", 2), join=True), stream=9)

    answer = only(effects, AnswerStream)[0]
    assert (9, True, ["a"]) == (
        answer.stream, answer.message.join, [node.name for node in answer.message.nodes],
    )  # fmt: skip
    assert "ALIVE" == one.status("b")


def test_refused_joiner_is_told_and_nothing_is_merged():
    """hashicorp/memberlist#132: the joiner must not believe that it joined."""

    class OneDatacenter(OpenPolicy):
        def refuse(self, candidates):
            wrong = [c.name for c in candidates if c.name == "x"]
            return f"{wrong[0]} part of wrong datacenter" if wrong else ""

    one = Solo(policy=OneDatacenter())

    effects = one.merge(table(entry("b", 2), entry("x", 3)))

    assert [AnswerStream(5, ErrorReply("x part of wrong datacenter"))] == only(
        effects, AnswerStream
    )
    assert ("", "") == (one.status("b"), one.status("x"))


def test_policy_is_not_asked_about_members_that_left():
    class Nobody(OpenPolicy):
        def refuse(self, candidates):
            return "no" if candidates else ""

    one = Solo(policy=Nobody())
    effects = one.merge(table(entry("b", 2, State.LEFT)))

    assert isinstance(only(effects, AnswerStream)[0].message, PushPull)


@pytest.mark.parametrize(
    ("own", "is_asked"),
    [
        (entry("a", 1), False),
        (entry("a", 9), True),
        (entry("a", 9, State.SUSPECT), False),
        (entry("a", 9, State.DEAD), False),
        (entry("a", 9, State.LEFT), False),
    ],
)
def test_policy_is_asked_about_our_own_name_only_where_another_lives_under_it(own, is_asked):
    class NoNamesake(OpenPolicy):
        def refuse(self, candidates):
            return "in use" if any(c.name == "a" for c in candidates) else ""

    one = Solo(policy=NoNamesake())

    effects = one.step(StreamAnswered(join(one, 2).stream, table(entry("b", 2), own)))

    assert [Completed(7, "in use" if is_asked else "", int(not is_asked))] == only(
        effects, Completed
    )


@pytest.mark.parametrize("state", [State.SUSPECT, State.DEAD])
def test_remote_death_is_only_a_suspicion_of_our_own(state):
    one = Solo()
    one.meet("b")
    one.drain()
    effects = one.merge(table(entry("b", 2, state))) + one.advance(0.3)

    assert ("SUSPECT", 1) == one.state("b")
    assert [Suspect(1, "b", "a")] == said(effects, Suspect)


def test_remote_leave_is_a_leave():
    one = Solo()
    one.meet("b")
    one.merge(table(entry("b", 2, State.LEFT)))

    assert "LEFT" == one.state("b")[0]


def test_dead_and_left_entries_make_no_members():
    one = Solo()
    one.merge(table(entry("b", 2, State.DEAD), entry("c", 3, State.LEFT)))

    assert ["a"] == [member.name for member in one.node.members]


def test_our_own_death_in_a_table_is_refuted():
    one = Solo()
    one.merge(table(NodeState("a", address(1), META, 9, State.LEFT, VERSIONS)))

    assert ("ALIVE", 10) == one.state("a")


def test_periodic_exchange_asks_one_alive_peer():
    one = Solo(probe_interval_s=1e6)
    one.meet("b")

    streams = only(one.advance(31), OpenStream)

    assert [(address(2), "b", False)] == [(s.to, s.node, s.message.join) for s in streams]


def test_periodic_exchange_repairs_what_gossip_missed():
    one = Solo(probe_interval_s=1e6)
    one.meet("b")
    streams = []
    while not streams:
        streams = only(one.advance(1), OpenStream)
    one.step(StreamAnswered(streams[0].stream, table(entry("b", 2), entry("c", 3))))

    assert "ALIVE" == one.status("c")
    assert 3 in [m.address.ip[3] for m in said(one.advance(1), Alive) if m.node == "c"]


def test_late_answer_is_ignored():
    one = Solo()
    stream = join(one, 2)
    one.advance(12)

    assert [] == one.step(StreamAnswered(stream.stream, table(entry("b", 2))))
    assert "" == one.status("b")


def test_tables_that_understand_each_other_have_no_conflict():
    assert "" == version_conflict([entry("b", 2)], [entry("a", 1)])


@pytest.mark.parametrize("state", [State.ALIVE, State.DEAD])
def test_node_without_versions_spoils_the_merge_even_when_dead(state):
    remote = entry("b", 2, state, versions=NO_VERSIONS)

    assert "node 'b' protocol version (0) is incompatible: [1, 5]" == version_conflict(
        [remote], [entry("a", 1)]
    )


def test_node_that_speaks_what_others_do_not_understand_is_named():
    modern = entry("m", 2, versions=Versions(1, 5, 2, 4, 9, 9))

    assert "node 'm' delegate protocol version (9) is incompatible: [4, 5]" == version_conflict(
        [modern], [entry("a", 1)]
    )


def test_version_conflict_is_answered_as_an_error():
    one = Solo()
    effects = one.merge(table(entry("b", 2, versions=NO_VERSIONS)))

    assert isinstance(only(effects, AnswerStream)[0].message, ErrorReply)
    assert ["push/pull refused"] == [w.what for w in only(effects, Warn)]


@pytest.mark.parametrize(
    ("own", "is_asked"),
    [
        (entry("a", 1), False),
        (entry("a", 9), True),
        (entry("a", 9, State.DEAD), True),
        (entry("a", 9, State.LEFT), False),
    ],
)
def test_peers_are_asked_soon_again_while_they_hold_our_name_for_another_address(own, is_asked):
    one = Solo(push_pull_interval_s=1e6, probe_interval_s=1e6)
    one.meet("b")
    one.step(StreamAnswered(join(one, 2).stream, table(entry("b", 2), own)))

    opened = only(one.advance(TAKE_OVER_RETRY_S + 0.01), OpenStream)
    asked = [stream for stream in opened if isinstance(stream.message, PushPull)]

    assert is_asked == bool(asked)
