"""Troubles that people had with gossip pools, each as a small story with the right outcome."""

import pytest

from gossip.core.config import consul_lan
from gossip.core.effects import (
    Change,
    ConflictSeen,
    KeyringAnswer,
    MembersChanged,
    QueryAnswer,
    QueryReceived,
)
from gossip.core.inputs import (
    Ask,
    ChangeKeyring,
    Join,
    JoinTarget,
    Leave,
    Respond,
    SendEvent,
    SetTags,
)
from gossip.core.types import LeaveIntent, Status
from tests.sim.gossip.checkers import disagreements, events_seen, times_of
from tests.sim.gossip.network import Conditions
from tests.sim.gossip.world import World


def pool(
    node_count: int,
    *,
    seed: int = 1,
    conditions: Conditions | None = None,
    spare: int = 0,
    **settings,
) -> World:
    """A pool that has formed; ``spare`` more processes wait to be started."""
    world = World(seed, node_count + spare, conditions, **settings)
    world.start(0)
    for index in range(1, node_count):
        world.at(0.1 * index, lambda i=index: world.start(i, (0,)))
    world.run_until(0.1 * node_count + 5)
    assert all(len(world.nodes[i].core.members) == node_count for i in range(node_count))
    return world


def changes_seen(world: World, name: str) -> list[tuple[str, Change]]:
    """(observer, change) of everything seen of ``name``."""
    return [
        (node.name, noticed.effect.change)
        for node in world.nodes
        for noticed in node.noticed
        if isinstance(noticed.effect, MembersChanged) and noticed.effect.members[0].name == name
    ]


def status(world: World, observer: int, name: str) -> Status:
    return next(m.status for m in world.nodes[observer].core.members if m.name == name)


def incarnation(world: World, observer: int, name: str) -> int:
    return world.nodes[observer].core.nodes.get(name).incarnation


def effects_of(world: World, index: int, kind: type) -> list:
    return [n.effect for n in world.nodes[index].noticed if isinstance(n.effect, kind)]


@pytest.mark.parametrize("seed", range(5))
def test_deaf_member_hurts_only_itself(seed):
    """hashicorp/consul#4163, #5928: it sends accusations but hears no refutation."""
    world = pool(3, seed=seed)
    world.network.cut({0, 1}, {2})
    world.run_until(world.now_s + 30)

    assert Change.FAILED not in [c for who, c in changes_seen(world, "n0") if who == "n1"]
    assert Change.FAILED not in [c for who, c in changes_seen(world, "n1") if who == "n0"]

    world.network.heal()
    assert world.run_while(lambda: bool(disagreements(world)), 120, 1)


def test_mute_member_fails_and_comes_back_by_itself():
    world = pool(5)
    world.network.cut({2}, {0, 1, 3, 4})
    world.run_until(world.now_s + 25)
    assert Status.FAILED is status(world, 0, "n2")

    world.network.heal()
    assert world.run_while(lambda: bool(disagreements(world)), 180, 1)


@pytest.mark.parametrize("how", ["leaves", "is killed"])
def test_name_of_who_is_gone_can_be_taken_at_another_address(how):
    """hashicorp/consul#6897, #733."""
    world = pool(4, spare=1, make_config=consul_lan)
    if how == "leaves":
        world.command(2, Leave(1))
        world.run_until(world.now_s + 15)
    world.kill(2)
    world.run_until(world.now_s + 45)  # reclaim time after the failure was seen

    world.nodes[4].name = "n2"
    world.start(4, (0,))
    world.run_until(world.now_s + 5)

    for observer in (0, 1, 3):
        member = next(m for m in world.nodes[observer].core.members if m.name == "n2")
        assert (Status.ALIVE, world.nodes[4].address) == (member.status, member.address)


def test_name_of_a_live_member_cannot_be_taken():
    world = pool(4, spare=1, make_config=consul_lan)
    world.nodes[4].name = "n2"
    world.start(4, (0,))
    world.run_until(world.now_s + 30)

    for observer in (0, 1, 2, 3):
        member = next(m for m in world.nodes[observer].core.members if m.name == "n2")
        assert (Status.ALIVE, world.nodes[2].address) == (member.status, member.address)
    conflict = effects_of(world, 0, ConflictSeen)[0]
    assert ("n2", world.nodes[4].address) == (conflict.node, conflict.other)


@pytest.mark.parametrize("seed", range(10))
def test_leave_under_loss_is_never_seen_as_a_failure(seed):
    """hashicorp/serf#510, hashicorp/consul#3706, #8435."""
    world = pool(10, seed=seed, conditions=Conditions(loss=0.2))
    world.command(4, Leave(1))
    world.run_until(world.now_s + 20)
    world.kill(4)
    world.run_until(world.now_s + 40)

    seen = [change for who, change in changes_seen(world, "n4") if who != "n4"]
    assert Change.FAILED not in seen
    assert {Status.LEFT} == {status(world, i, "n4") for i in range(10) if i != 4}


@pytest.mark.parametrize("exchanged_with", [0, 2])
def test_leave_that_a_table_overtakes_is_not_seen_as_a_failure(exchanged_with):
    """Whoever leaves still exchanges tables; its peers must not take that for a newer join."""
    world = pool(3, push_pull_interval_s=1e6)
    world.command(1, Leave(1))
    world.command(exchanged_with, Join(2, (JoinTarget(world.nodes[1].address),)))
    world.run_until(world.now_s + 20)

    assert [Status.LEFT] * 2 == [status(world, observer, "n1") for observer in (0, 2)]


def test_two_leave_intents_of_a_left_member_do_not_echo():
    """hashicorp/serf#606, hashicorp/consul#8179."""
    world = pool(3)
    world.command(2, Leave(1))
    world.run_until(world.now_s + 15)
    world.kill(2)
    world.run_until(world.now_s + 5)
    for time in (50, 51):
        world.nodes[0].core._intents.leave(LeaveIntent(time, "n2"))
    world.run_until(world.now_s + 10)

    assert [0, 0] == [world.nodes[i].core.queue_depths["intents"] for i in (0, 1)]


def test_quick_restart_after_a_leave_does_not_stay_leaving():
    """hashicorp/serf#662, hashicorp/consul#13379: its clock starts at 1 again."""
    world = pool(4)
    for index in range(4):
        world.nodes[index].core._intents._clock.witness(60)
    world.command(2, Leave(1))
    world.run_until(world.now_s + 2)
    world.kill(2)
    world.start(2, (0,))

    assert world.run_while(lambda: bool(disagreements(world)), 60, 1)


def test_restart_under_the_same_name_shows_the_new_tags():
    world = pool(4)
    for number in range(4):
        world.command(2, SetTags(number, {"v": str(number)}))
        world.run_until(world.now_s + 1)
    assert 5 <= incarnation(world, 0, "n2")
    world.kill(2)
    world.start(2, (0,))
    world.run_until(world.now_s + 3)

    member = next(m for m in world.nodes[0].core.members if m.name == "n2")
    assert (Status.ALIVE, {}) == (member.status, member.tags)
    assert incarnation(world, 0, "n2") > 5


@pytest.mark.parametrize("seed", range(5))
def test_short_stall_is_refuted(seed):
    world = pool(6, seed=seed)
    world.pause(3)
    world.run_until(world.now_s + 1.5)
    world.resume(3)
    world.run_until(world.now_s + 30)

    assert Change.FAILED not in [change for _, change in changes_seen(world, "n3")]


def test_long_stall_is_a_failure_that_ends_without_a_restart():
    world = pool(6)
    world.pause(3)
    world.run_until(world.now_s + 60)
    assert Status.FAILED is status(world, 0, "n3")

    world.resume(3)
    assert world.run_while(lambda: bool(disagreements(world)), 120, 1)


def test_indirect_probes_keep_a_member_alive_that_one_other_cannot_reach():
    """SWIM §3.1: indirect probes."""
    world = pool(5)
    world.network.cut({0}, {1})
    world.network.cut({1}, {0})
    world.run_until(world.now_s + 60)

    failures = [c for name in ("n0", "n1") for _, c in changes_seen(world, name)]
    assert Change.FAILED not in failures


def test_event_reaches_everybody_through_heavy_loss():
    world = pool(20, conditions=Conditions(loss=0.25))
    world.command(7, SendEvent(1, "deploy", b"v2"))
    world.run_until(world.now_s + 60)

    key = ("deploy", b"v2")
    assert {1} == {events_seen(node, node.life)[key] for node in world.nodes}


def test_query_gathers_every_answer_with_relays_through_loss():
    world = pool(10, conditions=Conditions(loss=0.2))
    world.command(0, Ask(1, "uptime", relay_factor=3, timeout_s=8.0, want_ack=True))
    for _ in range(6):
        world.run_until(world.now_s + 1)
        for node in world.nodes:
            for asked in effects_of(world, node.index, QueryReceived):
                world.command(node.index, Respond(2, asked.query.time, asked.query.id, b"ok"))

    answers = [a for a in effects_of(world, 0, QueryAnswer) if a.payload is not None]
    assert {node.name for node in world.nodes} == {answer.sender for answer in answers}
    assert 10 == len(answers)


def test_key_rotation_reaches_every_member():
    old, new = b"o" * 16, b"n" * 16
    world = pool(5, keys=(old,))
    for action, key in (("install", new), ("use", new), ("remove", old), ("list", b"")):
        world.command(1, ChangeKeyring(1, action, key))
        world.run_until(world.now_s + 10)

    answers = effects_of(world, 1, KeyringAnswer)
    assert ["", "", "", ""] == [answer.error for answer in answers]
    assert [5] == list(answers[-1].keys.values())
    assert {(new,)} == {node.core.keys for node in world.nodes}


def test_detection_takes_its_time_and_no_longer():
    """SWIM §3.1 and Lifeguard: a probe, then the shortest suspicion with enough accusers."""
    firsts = []
    for seed in range(10):
        world = pool(20, seed=seed)
        killed_at_s = world.now_s
        world.kill(9)
        world.run_until(killed_at_s + 20)
        seen = times_of(world, Change.FAILED, "n9", killed_at_s)
        assert 19 == len(seen)
        firsts.append(seen[0] - killed_at_s)

    assert min(firsts) > 5.2  # the minimum for 20 members
    assert sorted(firsts)[5] < 8.0


def test_members_that_left_vanish_from_the_table():
    """hashicorp/memberlist#253: left members were never reaped."""
    world = pool(3, spare=60)
    for index in range(3, 63):
        world.start(index, (0,))
    world.run_until(world.now_s + 3)
    for index in range(3, 63):
        world.command(index, Leave(1))
    world.run_until(world.now_s + 15)
    for index in range(3, 63):
        world.kill(index)
    world.run_until(world.now_s + 45)

    assert 3 == len(world.nodes[0].core.nodes)
