"""Serf's delegates: push/pull states, and what membership's changes mean."""

from gossip.core.effects import Change, MembersChanged
from gossip.core.types import ClusterState, Dead, LeaveIntent, PushPull, Status
from tests.gossip.core.solo import PAYLOADS, Solo, alive, only

QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6}


def pool() -> Solo:
    one = Solo(**QUIET)
    one.meet("b", "c")
    one.drain()
    return one


def merge(one: Solo, **fields) -> None:
    state = {
        "time": 1, "status_times": {}, "left_members": (), "event_time": 1, "events": (),
        "query_time": 1,
    } | fields  # fmt: skip
    one.merge(PushPull((), False, ClusterState(**state)))


def state_of(one: Solo) -> ClusterState:
    return one.node._exchanger._local(join=False).state


def test_state_tells_clocks_status_times_and_who_left():
    one = pool()
    one.hear_cluster(LeaveIntent(9, "b"))
    one.hear(Dead(1, "b", "b"))

    state = state_of(one)

    assert ({"a": 0, "b": 9, "c": 0}, ("b",)) == (state.status_times, state.left_members)
    assert (10, 1, 1) == (state.time, state.event_time, state.query_time)


def test_table_of_who_is_leaving_does_not_make_its_leave_stale():
    leaving, peer = pool(), pool()
    leaving.hear_cluster(LeaveIntent(9, "b"))

    merge(peer, status_times=state_of(leaving).status_times)
    peer.hear_cluster(LeaveIntent(9, "b"))

    assert "LEAVING" == peer.status("b")


def test_clocks_are_moved_to_those_of_the_peer():
    one = pool()
    merge(one, time=50, event_time=60, query_time=70)

    state = state_of(one)
    assert (50, 60, 70) == (state.time, state.event_time, state.query_time)


def test_clocks_of_zero_are_no_news():
    one = pool()
    merge(one, time=0, event_time=0, query_time=0)

    assert 1 == state_of(one).event_time


def test_member_that_left_elsewhere_is_leaving_here():
    one = pool()
    merge(one, status_times={"b": 20, "c": 21}, left_members=("b",))

    found = {m.name: (m.status, m.status_time) for m in one.node.members}
    assert (Status.LEAVING, 21) == found["b"]
    assert (Status.ALIVE, 21) == found["c"]


def test_peers_that_agree_on_a_leave_do_not_raise_its_time():
    one = pool()
    one.hear_cluster(LeaveIntent(9, "b"))
    one.hear(Dead(1, "b", "b"))
    one.drain()
    for _ in range(5):
        merge(one, status_times={"b": 9}, left_members=("b",))

    assert 9 == state_of(one).status_times["b"]
    assert 0 == one.node.queue_depths["intents"]


def test_tags_of_an_update_are_shown():
    one = pool()
    effects = one.hear(alive("b", 2, 2, meta=PAYLOADS.encode_tags({"role": "db"})))

    change = only(effects, MembersChanged)[0]
    assert (Change.UPDATE, {"role": "db"}) == (change.change, change.members[0].tags)


def test_member_that_comes_back_with_other_tags_is_one_join():
    one = pool()
    one.hear(Dead(1, "b", "c"))
    effects = one.hear(alive("b", 2, 2, meta=PAYLOADS.encode_tags({"role": "db"})))

    assert [(Change.JOIN, {"role": "db"})] == [
        (e.change, e.members[0].tags) for e in only(effects, MembersChanged)
    ]


def test_node_that_was_forgotten_by_membership_comes_back_as_the_same_member():
    one = Solo(push_pull_interval_s=1e6, reconnect_interval_s=1e6)
    one.meet("b")
    one.hear(Dead(1, "b", "c"))
    one.advance(60)
    assert ("", 0) == one.state("b")
    assert "FAILED" == one.status("b")

    one.hear(alive("b", 2, 1))

    assert "ALIVE" == one.status("b")
    assert 2 == len(one.node.members)
