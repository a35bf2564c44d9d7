"""The merge rules: SWIM §4.2 (suspicion, incarnation order) and memberlist's rules around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.effects import Change, ConflictSeen, MembersChanged, SendPacket, Warn
from gossip.core.policy import OpenPolicy
from gossip.core.types import NO_VERSIONS, Address, Alive, Dead, Suspect, Versions
from tests.gossip.core.solo import META, PAYLOADS, VERSIONS, Solo, address, alive, only, said


def changes(effects) -> list[tuple[Change, str]]:
    return [(e.change, e.members[0].name) for e in only(effects, MembersChanged)]


def solo(**settings) -> Solo:
    one = Solo(**settings)
    one.meet("b", "c", "d")
    one.drain()
    return one


def test_start_announces_the_first_incarnation():
    one = Solo()
    one.meet("b")

    own = [m for m in said(one.advance(1), Alive) if m.node == "a"]

    assert ("ALIVE", 1) == one.state("a")
    assert [1] == [m.incarnation for m in own]


def test_unknown_alive_node_joins():
    one = Solo()

    assert [(Change.JOIN, "b")] == changes(one.hear(alive("b", 2)))
    assert ("ALIVE", 1) == one.state("b")


def test_alive_needs_a_higher_incarnation():
    one = solo()
    other = PAYLOADS.encode_tags({"role": "db"})

    assert [] == changes(one.hear(alive("b", 2, 1, meta=other)))
    assert [(Change.UPDATE, "b")] == changes(one.hear(alive("b", 2, 2, meta=other)))
    assert ("ALIVE", 2) == one.state("b")


def test_alive_with_other_versions_alone_tells_nothing():
    one = solo()

    assert [] == changes(one.hear(alive("b", 2, 2, versions=Versions(1, 5, 2, 2, 5, 4))))


@pytest.mark.parametrize(
    "versions", [NO_VERSIONS, Versions(0, 0, 2, 2, 5, 5), Versions(6, 5, 2, 2, 5, 5)]
)
def test_alive_without_usable_versions_is_dropped(versions):
    """One such node would make every later push/pull fail its version check."""
    one = Solo()

    assert (
        "alive without protocol versions"
        in only(one.hear(alive("b", 2, versions=versions)), Warn)[0].what
    )
    assert ("", 0) == one.state("b")


@pytest.mark.parametrize(
    "claim",
    [
        alive("", 2),
        alive("b" * 513, 2),
        alive("b", 2, meta=bytes(513)),
        Alive(1, "b", Address(b"abc", 7946), META, VERSIONS),
    ],
    ids=["no name", "long name", "long meta", "three-byte address"],
)
def test_malformed_alive_is_dropped(claim):
    one = Solo()

    assert "malformed alive" == only(one.hear(claim), Warn)[0].what
    assert 1 == len(one.node.members)


def test_port_zero_means_our_own_port():
    one = Solo()
    one.hear(Alive(1, "b", address(2, port=0), META, VERSIONS))

    assert address(2, 7946) == one.node.nodes.get("b").address


def test_suspect_then_silence_is_dead():
    one = solo()
    one.hear(Suspect(1, "b", "c"))
    assert ("SUSPECT", 1) == one.state("b")

    effects = one.advance(25)

    assert (Change.FAILED, "b") in changes(effects)
    assert "DEAD" == one.state("b")[0]


def test_suspect_of_an_older_incarnation_is_ignored():
    one = solo()
    one.hear(alive("b", 2, 5), Suspect(4, "b", "c"))

    assert ("ALIVE", 5) == one.state("b")


def test_alive_with_a_higher_incarnation_ends_a_suspicion():
    one = solo()
    one.hear(Suspect(1, "b", "c"), alive("b", 2, 2))

    assert ("ALIVE", 2) == one.state("b")
    # b answers no probe of this test, so look at membership's word alone.
    assert (Change.FAILED, "b") not in changes(one.advance(0.4))


def test_each_other_accuser_shortens_a_suspicion_and_is_gossiped_on():
    """Lifeguard, arXiv:1707.00788: independent confirmations."""
    one = solo(push_pull_interval_s=1e6)
    one.hear(Suspect(1, "b", "c"))
    alone_at = one.node._members._suspicions["b"].deadline()
    one.drain()

    one.hear(Suspect(1, "b", "c"))
    assert alone_at == one.node._members._suspicions["b"].deadline()
    assert 0 == one.node.queue_depths["membership"]

    one.hear(Suspect(1, "b", "d"))
    assert one.node._members._suspicions["b"].deadline() < alone_at
    assert 1 == one.node.queue_depths["membership"]


def test_dead_with_itself_as_accuser_is_left():
    one = solo()
    one.hear(Dead(1, "b", "b"), Dead(1, "c", "d"))

    assert ["LEFT", "DEAD"] == [one.state(name)[0] for name in "bc"]


def test_claims_about_unknown_nodes_are_ignored():
    one = Solo()
    one.hear(Suspect(1, "x", "y"), Dead(1, "x", "y"))

    assert ("", 0) == one.state("x")


@pytest.mark.parametrize(("accused", "answer"), [(1, 2), (10, 11), (20, 21)])
@pytest.mark.parametrize("kind", [Suspect, Dead])
def test_accusation_against_us_is_refuted_with_a_higher_incarnation(kind, accused, answer):
    one = solo()
    effects = one.hear(kind(accused, "a", "b")) + one.advance(0.5)

    assert answer in [m.incarnation for m in said(effects, Alive) if m.node == "a"]
    assert ("ALIVE", answer) == one.state("a")
    assert 1 == one.node.health_score


def test_accusation_below_our_incarnation_is_ignored():
    one = solo()
    one.hear(Suspect(20, "a", "b"), Dead(20, "a", "b"))

    assert ("ALIVE", 21) == one.state("a")


def test_alive_about_us_from_a_former_life_is_refuted():
    one = solo()
    one.hear(alive("a", 1, 30))

    assert ("ALIVE", 31) == one.state("a")


def test_our_own_alive_coming_back_is_ignored():
    one = solo()
    me = one.node.nodes.get("a")
    one.hear(Alive(1, "a", me.address, me.meta, me.versions))

    assert ("ALIVE", 1) == one.state("a")


def test_late_alive_does_not_raise_the_dead():
    """al8n/memberlist#197: alive@1, dead@1, dead@10, alive@2 stays dead."""
    one = solo()
    one.hear(Dead(1, "b", "c"), Dead(10, "b", "d"), alive("b", 2, 2))

    assert ("DEAD", 10) == one.state("b")


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=12))
def test_order_of_claims_does_not_matter(claims):
    """SWIM §4.2: at one incarnation dead beats alive, a higher incarnation beats both."""
    one = solo()
    for is_alive, incarnation in claims:
        one.hear(alive("b", 2, incarnation) if is_alive else Dead(incarnation, "b", "c"))

    newest_alive = max([1, *(i for is_alive, i in claims if is_alive)])
    newest_dead = max([0, *(i for is_alive, i in claims if not is_alive)])
    expected = "ALIVE" if newest_alive > newest_dead else "DEAD"
    assert (expected, max(newest_alive, newest_dead)) == one.state("b")


def test_restarted_node_hears_what_is_held_against_it():
    """hashicorp/memberlist#311: B restarts at 1 while A holds dead@100."""
    one = solo()
    one.hear(Dead(100, "b", "c"))
    one.advance(2)

    effects = one.hear(alive("b", 2, 1))

    assert [SendPacket(address(2), (Dead(100, "b", "a"),))] == only(effects, SendPacket)
    assert [] == only(one.hear(alive("b", 2, 1)), SendPacket)  # not for each of a burst


def test_node_that_returns_from_a_leave_hears_of_it():
    one = solo()
    one.hear(Dead(7, "b", "b"))

    assert [SendPacket(address(2), (Dead(7, "b", "b"),))] == only(
        one.hear(alive("b", 2, 1)), SendPacket
    )


@pytest.mark.parametrize(
    ("claim", "reclaim_s", "wait_s", "taken"),
    [
        (None, 30.0, 100, False),
        (Suspect(1, "b", "c"), 30.0, 1, False),
        (Dead(1, "b", "b"), 0.0, 0, True),
        (Dead(1, "b", "c"), 0.0, 29, False),
        (Dead(1, "b", "c"), 10.0, 9, False),
        (Dead(1, "b", "c"), 10.0, 11, True),
    ],
    ids=["alive", "suspect", "left", "dead, never", "dead, too early", "dead, in time"],
)
def test_name_passes_to_another_address_only_from_who_is_gone(claim, reclaim_s, wait_s, taken):
    """hashicorp/memberlist#157: the newcomer needs no higher incarnation."""
    one = solo(dead_reclaim_s=reclaim_s, probe_interval_s=1e6)
    if claim is not None:
        one.hear(claim)
    one.advance(wait_s)

    effects = one.hear(alive("b", 77, 1))

    assert taken == (address(77) == one.node.nodes.get("b").address)
    seen = [] if taken else [ConflictSeen("b", address(2), address(77))]
    assert seen == only(effects, ConflictSeen)
    assert not taken or ("ALIVE", 1) == one.state("b")


def test_mapped_form_of_an_address_is_no_conflict():
    one = solo()
    mapped = Address(bytes(10) + b"\xff\xff" + address(2).ip, 7946)

    assert [] == only(one.hear(Alive(2, "b", mapped, META, VERSIONS)), ConflictSeen)
    assert ("ALIVE", 2) == one.state("b")


def test_refused_node_is_not_taken_in_by_gossip():
    """consul#843: the veto holds for every alive, not only for joins."""

    class OtherDatacenter(OpenPolicy):
        def refuse(self, candidates):
            return "wrong datacenter" if any(c.name == "b" for c in candidates) else ""

    one = Solo(policy=OtherDatacenter())
    effects = one.hear(alive("b", 2), alive("c", 3))

    assert ["wrong datacenter"] == [w.detail for w in only(effects, Warn)]
    assert [("", 0), ("ALIVE", 1)] == [one.state("b"), one.state("c")]


def test_full_table_takes_no_more_nodes(monkeypatch):
    monkeypatch.setattr("gossip.core.table.NODES_MAX", 2)
    one = Solo()
    effects = one.hear(alive("b", 2), alive("c", 3))

    assert ["node table is full"] == [w.what for w in only(effects, Warn)]
