from gossip.core.effects import Change, EventReceived, MembersChanged
from gossip.core.types import Dead, UserEvent
from tests.gossip.core.solo import PAYLOADS, Solo, alive, only

GATHERING = {
    "coalesce_s": 3.0, "quiescent_s": 1.0, "probe_interval_s": 1e6, "push_pull_interval_s": 1e6,
}  # fmt: skip


def told(effects) -> list[tuple[Change, list[str]]]:
    return [(e.change, [m.name for m in e.members]) for e in only(effects, MembersChanged)]


def gathering() -> Solo:
    one = Solo(**GATHERING)
    one.advance(5)
    return one


def test_without_a_moment_everything_is_told_at_once():
    one = Solo()

    assert [(Change.JOIN, ["b"])] == told(one.hear(alive("b", 2)))


def test_changes_of_a_moment_are_told_together_after_a_quiet_second():
    one = gathering()
    assert [] == told(one.hear(alive("b", 2), alive("c", 3)))
    assert [] == told(one.advance(0.9))

    assert [(Change.JOIN, ["b", "c"])] == told(one.advance(0.2))


def test_steady_changes_are_told_at_the_latest_after_the_moment():
    one = gathering()
    effects = []
    for last in range(2, 7):
        effects += one.hear(alive(f"n{last}", last)) + one.advance(0.7)

    assert [(Change.JOIN, ["n2", "n3", "n4", "n5", "n6"])] == told(effects)


def test_only_the_latest_change_of_a_member_is_told():
    one = gathering()
    one.hear(alive("b", 2), Dead(1, "b", "c"))

    assert [(Change.FAILED, ["b"])] == told(one.advance(2))


def test_what_was_told_last_is_not_told_again_but_updates_are():
    one = gathering()
    one.hear(alive("b", 2))
    one.advance(2)
    one.hear(Dead(1, "b", "c"), alive("b", 2, 2))
    assert [] == told(one.advance(2))

    for incarnation, role in ((3, "x"), (4, "y")):
        one.hear(alive("b", 2, incarnation, meta=PAYLOADS.encode_tags({"role": role})))
        assert [(Change.UPDATE, ["b"])] == told(one.advance(2))


def event(time: int, name: str, *, coalesce: bool = True, payload: bytes = b"") -> UserEvent:
    return UserEvent(time, name, payload, coalesce)


def test_only_the_newest_events_of_a_name_are_told():
    one = gathering()
    one.hear_cluster(
        event(1, "e"), event(3, "e"), event(2, "e"), event(3, "e", payload=b"2"), event(1, "f")
    )

    assert [event(3, "e"), event(3, "e", payload=b"2"), event(1, "f")] == [
        effect.event for effect in only(one.advance(2), EventReceived)
    ]


def test_events_that_may_not_be_gathered_are_told_at_once():
    one = gathering()

    assert 1 == len(only(one.hear_cluster(event(1, "e", coalesce=False)), EventReceived))
