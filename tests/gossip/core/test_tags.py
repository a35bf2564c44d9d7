import pytest

from gossip.core.effects import Change, Completed, MembersChanged
from gossip.core.inputs import SetTags, Start
from gossip.core.types import Alive
from tests.gossip.core.solo import PAYLOADS, Solo, only, said

QUIET = {"probe_interval_s": 1e6, "push_pull_interval_s": 1e6}


def test_new_tags_are_announced_with_the_next_incarnation():
    one = Solo(**QUIET)
    one.meet("b")
    one.drain()
    effects = one.step(SetTags(2, {"role": "db"})) + one.advance(2)

    announced = said(effects, Alive)
    assert [(2, PAYLOADS.encode_tags({"role": "db"}))] == [
        (m.incarnation, m.meta) for m in announced if m.node == "a"
    ]
    assert [Change.UPDATE] == [e.change for e in only(effects, MembersChanged)]
    assert [Completed(2)] == only(effects, Completed)


def test_alone_the_update_is_done_at_once():
    assert Completed(2) in Solo(**QUIET).step(SetTags(2, {"role": "db"}))


def test_update_waits_no_longer_than_its_timeout():
    one = Solo(**QUIET, gossip_interval_s=1e6)
    one.meet("b")
    one.step(SetTags(2, {"role": "db"}))

    assert [] == only(one.advance(4.9), Completed)
    assert [Completed(2)] == only(one.advance(0.2), Completed)


def test_update_that_is_overtaken_is_done_too():
    one = Solo(**QUIET, gossip_interval_s=1e6)
    one.meet("b")
    one.step(SetTags(2, {"role": "db"}))

    assert Completed(2) in one.step(SetTags(3, {"role": "web"}))


def test_too_large_tags_are_refused_with_their_size():
    one = Solo(**QUIET)
    one.meet("b")

    error = only(one.step(SetTags(2, {"k": "v" * 520})), Completed)[0].error
    assert "tags take 527 bytes, allowed are 512" == error


def test_too_large_tags_refuse_to_start():
    one = Solo(start=False, tags={"k": "v" * 520})

    with pytest.raises(ValueError, match="allowed are 512"):
        one.step(Start())


def test_updates_under_way_are_bounded(monkeypatch):
    monkeypatch.setattr("gossip.core.tags.UPDATES_MAX", 0)

    assert "too many" in Solo().step(SetTags(2, {}))[0].error
