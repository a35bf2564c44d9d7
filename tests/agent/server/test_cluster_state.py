"""What a server tells and does about the servers; alone it tells what a lone server told."""

import io
import re
from typing import IO, NamedTuple

import pytest

from agent.membership.events import UserEvent
from agent.rpc.endpoints.raft_stats import RaftStats
from agent.rpc.endpoints.server_state import KeyringChange, KeyringVerb
from agent.server.autopilot_health import Assessment, Observed, assess
from agent.server.cluster_state import ClusterState
from agent.server.server_members import server_members
from catalog.errors import CatalogError, Invalid
from catalog.rows.node import Coord
from catalog.rows.system import AutopilotConfiguration
from gossip.core.types import Member, Status
from raft.entries import Configuration, SnapshotMeta
from raft.errors import BadArchive, MembershipBusy, TransferFailed
from tests.agent.server.fleet import (
    CLUSTER_ID,
    Log,
    address,
    following,
    in_gossip,
    in_short,
    members_of,
    voter,
)

STARTED_S = 1_700_000_000.0


class Archives(Log):
    """A log with archives of its state."""

    term = 2

    async def save_archive(self) -> tuple[IO[bytes], SnapshotMeta]:
        meta = SnapshotMeta(
            id="m", index=9, term=2, configuration=self.configuration, configuration_index=1
        )
        return io.BytesIO(b"the state"), meta

    async def restore_archive(self, packed: bytes) -> None:
        if packed != b"the state":
            raise BadArchive("no gzip")


class Gossip:
    """The part of agent.membership.membership.Membership that is asked."""

    def __init__(self, *members: Member) -> None:
        self.members = members
        self.fired: list[UserEvent] = []

    def lan_members(self) -> tuple[Member, ...]:
        return self.members

    async def keyring(self, _change: KeyringChange) -> tuple[object, ...]:
        raise CatalogError("Keyring is empty")

    def fire_event(self, event: UserEvent) -> None:
        self.fired.append(event)

    def datacenters(self) -> tuple[str, ...]:
        return ("dc1",)

    def coordinates_by_datacenter(self) -> dict[str, dict[str, Coord]]:
        return {"dc1": {"srv-a": Coord()}}


class Pilot(NamedTuple):
    """Autopilot after a look."""

    assessment: Assessment | None = None


class Servers:
    """Server a's state, of a membership."""

    def __init__(self, configuration: Configuration, *members: Member) -> None:
        self.log = Archives("a", configuration)
        self.gossip = Gossip(*members)
        self.restored = 0
        observed = Observed(
            configuration=configuration,
            members=server_members(members, "dc1"),
            stats={"a": following(contact_ns=0), "b": following()},
            leader_id="a",
        )
        self.state = ClusterState(
            voter("a"),
            "dc1",
            self.log,
            autopilot=Pilot(assess(None, observed, AutopilotConfiguration(), 0.0)),
            epoch_s=STARTED_S,
            membership=self.gossip,
            on_restored=self.on_restored,
        )

    async def on_restored(self) -> None:
        self.restored += 1


@pytest.fixture
def three() -> Servers:
    return Servers(members_of("abc", "d"), *map(in_gossip, "abcd"))


@pytest.fixture
def alone() -> Servers:
    return Servers(members_of("a"), in_gossip("a"))


@pytest.mark.parametrize(
    ("server_id", "place", "removal", "transfer"),
    [
        ("a", "", "the only voter cannot be removed", "this is the only server"),
        ("", address("a"), "the only voter cannot be removed", "this is the only server"),
        ("x", "", 'id "x" was not found in the Raft configuration', "this is the only server"),
    ],
)
async def test_alone_nobody_can_be_removed_or_take_over(
    alone: Servers, server_id: str, place: str, removal: str, transfer: str
):
    with pytest.raises(CatalogError, match=re.escape(removal)):
        await alone.state.remove_peer(server_id=server_id, address=place)
    with pytest.raises(CatalogError, match=transfer):
        await alone.state.transfer_leadership(server_id)


def test_the_logs_servers_are_shown_by_name_where_gossip_knows_them():
    servers = Servers(members_of("ab", "c"), in_gossip("a"), in_gossip("c", Status.FAILED))
    shown = servers.state.raft_configuration()

    assert [
        ("a", "srv-a", address("a"), True, "3", True),
        ("b", "(unknown)", address("b"), False, "unknown", True),
        ("c", "srv-c", address("c"), False, "3", False),
    ] == [(s.id, s.node, s.address, s.leader, s.protocol_version, s.voter) for s in shown.servers]
    assert 1 == shown.index


def test_it_tells_how_far_it_is(three: Servers):
    never = three.state.raft_stats()
    three.log.last_contact_s = 0.05

    own = CLUSTER_ID.hex()
    assert RaftStats(last_contact_ns=-1, last_term=2, last_index=100, cluster=own) == never
    assert 50_000_000 == three.state.raft_stats().last_contact_ns


@pytest.mark.parametrize(
    "asked", [{"server_id": "c", "address": ""}, {"server_id": "", "address": address("c")}]
)
async def test_a_server_is_removed_by_id_or_address(three: Servers, asked):
    await three.state.remove_peer(**asked)

    assert "ab+d" == in_short(three.log.configuration.servers)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"server_id": "x", "address": ""}, 'id "x" was not found in the Raft configuration'),
        # An address is no id, and an id no address.
        ({"server_id": address("b"), "address": ""}, "was not found in the Raft configuration"),
        ({"server_id": "", "address": "b"}, 'address "b" was not found in the Raft'),
    ],
)
async def test_a_server_that_is_not_there_is_not_removed(three: Servers, asked, text):
    with pytest.raises(CatalogError, match=text):
        await three.state.remove_peer(**asked)


async def test_a_server_that_the_quorum_needs_is_not_removed():
    servers = Servers(members_of("abc", "d"), *map(in_gossip, "abd"))

    with pytest.raises(CatalogError, match="no quorum; wait until autopilot promotes the 1 new"):
        await servers.state.remove_peer(server_id="b", address="")


async def test_a_removal_that_the_log_refuses_is_an_error(three: Servers):
    three.log.refusals = [MembershipBusy("another membership change is under way")]

    with pytest.raises(MembershipBusy):
        await three.state.remove_peer(server_id="c", address="")


@pytest.mark.parametrize(("server_id", "target"), [("", None), ("b", "b")])
async def test_the_leadership_is_handed_over(three: Servers, server_id, target):
    await three.state.transfer_leadership(server_id)

    assert [target] == three.log.transferred


@pytest.mark.parametrize(
    ("server_id", "text"),
    [
        ("x", 'id "x" was not found in the Raft configuration'),
        ("d", 'server "d" has no vote, so it cannot lead'),
        ("a", 'server "a" leads already'),
    ],
)
async def test_the_leadership_is_not_handed_to_just_anybody(three: Servers, server_id, text):
    with pytest.raises(CatalogError, match=text):
        await three.state.transfer_leadership(server_id)


async def test_a_transfer_that_fails_is_an_error(three: Servers):
    three.log.unfit_heirs = "b"

    with pytest.raises(TransferFailed):
        await three.state.transfer_leadership("b")


async def test_the_state_is_saved_and_restored(three: Servers):
    assert (b"the state", 9) == await three.state.save_snapshot()

    await three.state.restore_snapshot(b"the state")
    with pytest.raises(Invalid, match="Error restoring snapshot: no gzip"):
        await three.state.restore_snapshot(b"junk")

    assert 1 == three.restored


async def test_gossip_is_asked_of_the_membership(three: Servers):
    event = UserEvent(id="00000000-0000-0000-0000-000000000001", name="deploy")

    three.state.fire_event(event)

    assert [event] == three.gossip.fired
    with pytest.raises(CatalogError, match="Keyring is empty"):
        await three.state.change_keyring(KeyringChange(verb=KeyringVerb.LIST))
