from gossip.core.roster import Roster, RosterEntry
from gossip.core.table import Node
from gossip.core.types import State, Status
from tests.gossip.core.solo import VERSIONS, address


def roster() -> tuple[Roster, RosterEntry]:
    one = Roster()
    node = Node("b", address(2), b"", VERSIONS, 1, State.ALIVE, 0.0, {"role": "web"})
    entry = RosterEntry(node, Status.ALIVE, 5)
    one.add(entry)
    return one, entry


def test_member_shows_what_is_known():
    one, entry = roster()
    member = entry.member()

    assert ("b", {"role": "web"}, Status.ALIVE, 5) == (
        member.name, member.tags, member.status, member.status_time,
    )  # fmt: skip
    assert entry is one.get("b")


def test_failed_and_left_members_are_listed_apart():
    one, entry = roster()

    one.set_status(entry, Status.FAILED, 10.0)
    assert (["b"], [], 0) == (list(one.failed), list(one.left), one.alive_count)

    one.set_status(entry, Status.LEFT, 20.0)
    assert ([], ["b"], 0) == (list(one.failed), list(one.left), one.alive_count)

    one.set_status(entry, Status.ALIVE, 30.0)
    assert ([], [], 1) == (list(one.failed), list(one.left), one.alive_count)


def test_member_is_gone_since_it_first_went():
    one, entry = roster()
    one.set_status(entry, Status.FAILED, 10.0)
    one.set_status(entry, Status.LEFT, 20.0)

    assert 10.0 == entry.gone_at


def test_erased_member_is_nowhere():
    one, entry = roster()
    one.set_status(entry, Status.FAILED, 10.0)
    one.erase(entry)

    assert (0, None, {}) == (len(one), one.get("b"), one.failed)
