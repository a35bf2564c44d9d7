"""What only a server can tell, asked by a client agent."""

from typing import Any

import msgspec
import pytest

from agent.membership.events import UserEvent
from agent.rpc.endpoints.server_state import (
    AutopilotHealth,
    AutopilotHealthGet,
    AutopilotServer,
    AutopilotState,
    AutopilotStateGet,
    EventFire,
    Keyring,
    KeyringChange,
    KeyringVerb,
    RaftConfiguration,
    RaftConfigurationGet,
    RaftRemovePeer,
    RaftServer,
    ServerHealth,
    SnapshotRestore,
    SnapshotSave,
    StatusLeader,
    StatusPeers,
    TransferLeadership,
)
from agent.rpc.request import Consistency, Reply, RpcError
from catalog.errors import CatalogError, Invalid
from catalog.shape import to_json
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import Cluster, open_cluster

ARCHIVE = bytes(range(256)) * 16_384  # larger than a part of a body
SERVERS = RaftConfiguration(
    servers=(
        RaftServer(id="1", node="a", address="10.0.0.1:8300", leader=True, voter=True),
        RaftServer(id="2", node="b", address="10.0.0.2:8300", leader=False, voter=False),
    ),
    index=7,
)
HEALTH = AutopilotHealth(
    healthy=True,
    failure_tolerance=0,
    servers=(
        ServerHealth(
            id="1",
            name="a",
            address="10.0.0.1:8300",
            serf_status="alive",
            version="1.9.8",
            leader=True,
            last_contact="0s",
            last_term=2,
            last_index=9,
            healthy=True,
            voter=True,
            stable_since="2026-01-01T00:00:00Z",
        ),
    ),
)
STATE = AutopilotState(
    healthy=True,
    failure_tolerance=0,
    optimistic_failure_tolerance=0,
    servers={
        "1": AutopilotServer(
            id="1",
            name="a",
            address="10.0.0.1:8300",
            node_status="alive",
            version="1.9.8",
            last_contact="0s",
            last_term=2,
            last_index=9,
            healthy=True,
            stable_since="2026-01-01T00:00:00Z",
            status="leader",
            meta={"version": "1.9.8"},
            node_type="voter",
        )
    },
    leader="1",
    voters=("1",),
)
KEYS = Keyring(wan=False, datacenter="dc1", keys={"k": 3}, primary_keys={"k": 3}, num_nodes=3)


class KnownState:
    """A server's state; what it was told to do."""

    leader_address = "10.0.0.1:8300"

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.saves = 0

    def raft_configuration(self) -> RaftConfiguration:
        return SERVERS

    async def remove_peer(self, *, server_id: str, address: str) -> None:
        if not server_id:
            raise CatalogError(f'address "{address}" was not found in the Raft configuration')
        self.told.append(server_id)

    async def transfer_leadership(self, server_id: str) -> None:
        self.told.append(server_id)

    def autopilot_health(self) -> AutopilotHealth:
        return HEALTH

    def autopilot_state(self) -> AutopilotState:
        return STATE

    async def save_snapshot(self) -> tuple[bytes, int]:
        self.saves += 1
        return ARCHIVE, 9

    async def restore_snapshot(self, archive: bytes) -> None:
        if archive != ARCHIVE:
            raise Invalid("Error restoring snapshot: odd")
        self.told.append(len(archive))

    async def change_keyring(self, change: KeyringChange) -> tuple[Keyring, ...]:
        self.told.append(change)
        return (KEYS,)

    def fire_event(self, event: UserEvent) -> None:
        self.told.append(event)


@pytest.fixture
def state() -> KnownState:
    return KnownState()


@pytest.fixture
async def cluster(state: KnownState):
    async with open_cluster() as opened:
        opened.context.state = state
        yield opened


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (StatusLeader(consistency=Consistency.STALE), "10.0.0.1:8300"),
        (StatusPeers(), ("10.0.0.1:8300", "10.0.0.2:8300")),
        (RaftConfigurationGet(), SERVERS),
        (AutopilotHealthGet(), HEALTH),
        (AutopilotStateGet(), STATE),
    ],
)
async def test_a_client_agent_learns_what_a_server_knows(cluster: Cluster, request_, value):
    reply = await within(cluster.remote.call(request_))

    assert value == reply.value
    assert reply.index == 1


async def test_servers_are_removed_and_made_leaders(cluster: Cluster, state: KnownState):
    assert (await within(cluster.remote.call(RaftRemovePeer(id="2")))).value is None
    assert (await within(cluster.remote.call(TransferLeadership(id="1")))).value is None

    assert state.told == ["2", "1"]


async def test_an_unknown_server_is_a_relayed_refusal(cluster: Cluster):
    with pytest.raises(CatalogError) as refused:
        await within(cluster.remote.call(RaftRemovePeer(address="10.0.0.9:8300")))

    assert str(refused.value) == (
        'rpc error making call: address "10.0.0.9:8300" was not found in the Raft configuration'
    )


async def test_a_snapshot_larger_than_a_part_is_saved_and_restored(
    cluster: Cluster, state: KnownState
):
    saved = (await within(cluster.remote.call(SnapshotSave()))).value

    assert (saved.archive, saved.index) == (ARCHIVE, 9)
    assert (await within(cluster.remote.call(SnapshotRestore(archive=saved.archive)))).value is None
    assert state.told == [len(ARCHIVE)]
    with pytest.raises(Invalid, match="Error restoring snapshot: odd"):
        await within(cluster.remote.call(SnapshotRestore(archive=b"odd")))


async def test_saving_a_snapshot_is_asked_again_when_the_connection_breaks(
    cluster: Cluster, state: KnownState
):
    first = await cluster.pool.connection()
    save = first._answer
    first._answer = lambda _frame: first._end("broken")  # the answer is lost on its way

    saved = (await within(cluster.remote.call(SnapshotSave()))).value

    assert saved.index == 9
    assert state.saves == 2
    first._answer = save


async def test_keys_and_events_reach_the_server(cluster: Cluster, state: KnownState):
    change = KeyringChange(verb=KeyringVerb.INSTALL, key="abc", relay_factor=2)
    event = UserEvent(id="1", name="deploy", payload=b"\x00")

    assert (await within(cluster.remote.call(change))).value == (KEYS,)
    await within(cluster.remote.call(EventFire(event=event)))

    await until(lambda: len(state.told) == 2)
    assert state.told == [change, event]


def test_rows_are_shown_as_the_api_does():
    assert list(to_json(SERVERS)["Servers"][0]) == [
        "ID",
        "Node",
        "Address",
        "Leader",
        "ProtocolVersion",
        "Voter",
    ]
    assert set(to_json(KEYS)) == {
        "WAN",
        "Datacenter",
        "Segment",
        "Keys",
        "PrimaryKeys",
        "NumNodes",
    }
    assert set(to_json(STATE)) == {
        "Healthy",
        "FailureTolerance",
        "OptimisticFailureTolerance",
        "Servers",
        "Leader",
        "Voters",
    }


async def test_keys_are_changed_in_the_lan_of_every_datacenter(cluster: Cluster):
    far = msgspec.structs.replace(KEYS, datacenter="dc2")
    cluster.abroad.answers = {"dc2": Reply(value=(far,))}
    change = KeyringChange(verb=KeyringVerb.LIST)

    everywhere = (await within(cluster.remote.call(change))).value
    here = (
        await within(cluster.remote.call(msgspec.structs.replace(change, local_only=True)))
    ).value

    assert ["dc1", "dc2"] == [keyring.datacenter for keyring in everywhere]
    assert ["dc1"] == [keyring.datacenter for keyring in here]
    (asked,) = cluster.abroad.asked
    assert asked == KeyringChange(verb=KeyringVerb.LIST, datacenter="dc2", local_only=True)


async def test_a_datacenter_whose_keys_are_not_changed_is_named(cluster: Cluster, monkeypatch):
    async def call(_request):
        raise RpcError("no answer")

    cluster.abroad.answers = {"dc2": Reply(value=())}
    monkeypatch.setattr(cluster.abroad, "call", call)

    with pytest.raises(CatalogError, match=r"dc2 \(LAN\) error: no answer"):
        await within(cluster.remote.call(KeyringChange(verb=KeyringVerb.LIST)))
