"""What the leader writes because of members, as a table, and its loop."""

import asyncio

import pytest

from agent.server import reconcile
from agent.server.reconcile import Reconciler, changes, consul_service, registration
from catalog.apply import StateMachine
from catalog.commands import Command, Deregister, Register, decode, encode
from catalog.errors import Conflict
from catalog.rows.check import CRITICAL, PASSING, SERF_HEALTH, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SERVICES
from gossip.core.types import Address, Member, Status, Versions
from raft.errors import Overloaded

VERSIONS = Versions(1, 5, 2, 2, 5, 4)
OWN = "srv-1"


def member(
    name: str, status: Status = Status.ALIVE, *, server: bool = False, last: int = 9, **tags: str
) -> Member:
    told = {"role": "node", "dc": "dc1", "id": f"id-{name}", "build": "1.9.8:rev"}
    if server:
        told |= {"role": "consul", "port": "8300", "vsn": "2", "raft_vsn": "3"}
    address = Address(bytes((10, 0, 0, last)), 8301)
    return Member(name, address, told | tags, status, VERSIONS)


class Catalog:
    """A state machine that proposals are applied to at once."""

    def __init__(self) -> None:
        self._machine = StateMachine(lambda _changes: None)
        self.index = 1
        self.proposed: list[Command] = []

    @property
    def store(self) -> Store:
        return self._machine.store

    def apply(self, command: Command) -> object:
        self.index += 1
        return self._machine.apply(self.index, encode(command))

    async def propose(self, command: bytes) -> object:
        self.proposed.append(decode(command))
        return self.apply(decode(command))

    def agree(self, *members: Member) -> None:
        """Make the catalog agree with these."""
        for command in changes(members, self.store, own_name=OWN):
            self.apply(command)

    def status(self, name: str) -> str:
        return self.store.get(CHECKS, (name, SERF_HEALTH)).status

    def nodes(self) -> list[str]:
        return [node.node for node in self.store.all(NODES)]


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


def todo(catalog: Catalog, *members: Member) -> list[Command]:
    return changes(members, catalog.store, own_name=OWN)


def test_a_client_that_is_alive_gets_a_node_and_a_passing_check(catalog):
    catalog.agree(member("web"))

    node = catalog.store.get(NODES, "web")
    assert ("id-web", "10.0.0.9", "dc1") == (node.id, node.address, node.datacenter)
    assert PASSING == catalog.status("web")
    assert [] == catalog.store.all(SERVICES)


def test_a_server_that_is_alive_gets_the_service_consul_too(catalog):
    catalog.agree(member("srv-2", server=True))

    service = catalog.store.get(SERVICES, ("srv-2", "consul")).service
    expected = {
        "raft_version": "3",
        "serf_protocol_current": "2",
        "serf_protocol_max": "5",
        "serf_protocol_min": "1",
        "version": "1.9.8",
    }
    assert ("consul", 8300, expected) == (service.service, service.port, service.meta)


@pytest.mark.parametrize(
    "members",
    [
        [member("web")],
        [member("Web", server=True)],
        [member("web", Status.FAILED)],
        [member("web", id="")],
        [],
    ],
)
def test_what_is_stored_is_not_written_again(catalog, members):
    catalog.agree(member("web"), *members)
    catalog.agree(*members)

    assert [] == todo(catalog, *members)


@pytest.mark.parametrize(
    "changed",
    [member("web", last=10), member("web", id="other"), member("web", server=True)],
)
def test_a_member_that_changed_is_registered_anew(catalog, changed):
    catalog.agree(member("web"))

    (command,) = todo(catalog, changed)

    assert isinstance(command, Register)


def test_a_new_address_keeps_what_the_agent_told_of_its_node(catalog):
    told = {"tagged_addresses": {"lan": "10.0.0.9"}, "meta": {"rack": "1"}}
    node = Node(id="id-web", node="web", address="10.0.0.9", datacenter="dc1", **told)
    catalog.apply(Register(node=node))

    catalog.agree(member("web", last=10))

    stored = catalog.store.get(NODES, "web")
    assert ("10.0.0.10", {"rack": "1"}, {"lan": "10.0.0.9"}) == (
        stored.address,
        stored.meta,
        stored.tagged_addresses,
    )


def test_another_host_of_the_same_name_keeps_nothing():
    known = Node(id="old", node="web", meta={"rack": "1"})

    assert registration(Node(id="new", node="web"), known).node.meta is None


def test_who_failed_is_critical_and_keeps_its_services(catalog):
    catalog.agree(member("web"))
    service = NodeService(id="api", service="api")
    catalog.apply(Register(node=catalog.store.get(NODES, "web"), service=service))
    before = catalog.store.get(NODES, "web")

    catalog.agree(member("web", Status.FAILED))

    assert CRITICAL == catalog.status("web")
    assert before == catalog.store.get(NODES, "web")
    assert catalog.store.get(SERVICES, ("web", "api")) is not None


def test_who_failed_unseen_is_not_registered(catalog):
    assert [] == todo(catalog, member("web", Status.FAILED))


def test_who_recovers_passes_again(catalog):
    catalog.agree(member("web"))
    catalog.agree(member("web", Status.FAILED))
    catalog.agree(member("web"))

    assert PASSING == catalog.status("web")


def test_who_left_or_was_reaped_goes_with_all_it_had(catalog):
    catalog.agree(member("left", server=True), member("reaped"), member("stays"))

    catalog.agree(member("left", Status.LEFT), member("stays"))

    assert ["stays"] == catalog.nodes()
    assert [] == catalog.store.all(SERVICES)


def test_who_is_leaving_is_left_alone(catalog):
    assert [] == todo(catalog, member("web", Status.LEAVING))


@pytest.mark.parametrize("members", [[], [member(OWN, Status.LEFT, server=True)]])
def test_the_leader_does_not_take_itself_out(catalog, members):
    catalog.agree(member(OWN, server=True))

    assert [] == todo(catalog, *members)


def test_nodes_from_outside_are_never_touched(catalog):
    outside = Node(node="printer", address="10.9.9.9", datacenter="dc1")
    check = HealthCheck(node="printer", check_id="ping", status=CRITICAL)
    catalog.apply(Register(node=outside, checks=(check,)))

    (own,) = todo(catalog, member(OWN, server=True))
    assert isinstance(own, Register)


def test_names_do_not_regard_case(catalog):
    catalog.agree(member("WEB", id="one"))

    assert [] == todo(catalog, member("web", id="one"))
    assert [Deregister(node="WEB")] == todo(catalog, member("web", Status.LEFT))


def test_the_own_registration_is_that_of_an_alive_server(catalog):
    own = member(OWN, server=True)
    node = Node(id=f"id-{OWN}", node=OWN, address="10.0.0.9", datacenter="dc1", meta={"a": "b"})
    catalog.apply(registration(node, None, consul_service(8300, version="1.9.8")))

    assert [] == todo(catalog, own)


# The loop.


async def test_a_name_that_another_host_took_fails_first_and_is_then_alive(catalog):
    await Leader(catalog, member("web")).reconciler.reconcile()
    await Leader(catalog, member("web", id="reborn", last=10)).reconciler.reconcile()

    node = catalog.store.get(NODES, "web")
    written = [command.checks[0].status for command in catalog.proposed]
    assert ("reborn", "10.0.0.10") == (node.id, node.address)
    assert [PASSING, CRITICAL, PASSING] == written


class Leader:
    """A reconciler over members that a test changes."""

    def __init__(self, catalog: Catalog, *members: Member, propose=None) -> None:
        self.members = members
        self.reconciler = Reconciler(
            OWN,
            members=lambda: self.members,
            store=catalog.store,
            propose=propose or catalog.propose,
        )


async def test_a_pass_writes_what_is_to_be_written_and_then_nothing(catalog):
    leader = Leader(catalog, member("a"), member("b"))

    await leader.reconciler.reconcile()
    assert 2 == len(catalog.proposed)
    await leader.reconciler.reconcile()

    assert 2 == len(catalog.proposed)


async def test_members_are_judged_anew_after_each_write(catalog):
    leader = Leader(catalog, member("a"), member("b"))

    async def propose(command: bytes) -> object:
        leader.members = (member("a"), member("b", Status.LEFT))
        return await catalog.propose(command)

    leader.reconciler = Reconciler(
        OWN, members=lambda: leader.members, store=catalog.store, propose=propose
    )
    await leader.reconciler.reconcile()

    assert ["a"] == catalog.nodes()


@pytest.mark.parametrize("is_raised", [False, True])
async def test_a_refusal_does_not_hold_up_the_others(catalog, is_raised):
    refused = Conflict("the name is reserved")

    async def propose(command: bytes) -> object:
        if decode(command).node.node != "a":
            return await catalog.propose(command)
        if is_raised:
            raise refused
        return refused

    await Leader(catalog, member("a"), member("b"), propose=propose).reconciler.reconcile()

    assert ["b"] == catalog.nodes()


async def test_a_log_that_takes_nothing_ends_the_pass(catalog):
    asked: list[bytes] = []

    async def propose(command: bytes) -> object:
        asked.append(command)
        raise Overloaded

    await Leader(catalog, member("a"), member("b"), propose=propose).reconciler.reconcile()

    assert 1 == len(asked)


async def test_who_was_not_met_yet_has_a_minute_to_become_a_member(catalog):
    await Leader(catalog, member("a"), member("b")).reconciler.reconcile()
    now_s = 0.0
    leader = Leader(catalog)
    leader.reconciler = Reconciler(
        OWN,
        members=lambda: leader.members,
        store=catalog.store,
        propose=catalog.propose,
        now_s=lambda: now_s,
    )
    await leader.reconciler.reconcile()
    now_s = 59.0
    leader.members = (member("b"),)
    await leader.reconciler.reconcile()
    assert ["a", "b"] == catalog.nodes()
    now_s = 60.0
    await leader.reconciler.reconcile()

    assert ["b"] == catalog.nodes()


async def test_who_was_met_and_is_no_member_any_more_goes_at_once(catalog):
    leader = Leader(catalog, member("a"), member("b"))
    await leader.reconciler.reconcile()

    leader.members = (member("b"),)
    await leader.reconciler.reconcile()

    assert ["b"] == catalog.nodes()


async def test_changes_of_members_and_time_make_a_pass(catalog, monkeypatch):
    leader = Leader(catalog, member("a"))
    written: asyncio.Queue[None] = asyncio.Queue()

    async def propose(command: bytes) -> object:
        written.put_nowait(None)
        return await catalog.propose(command)

    leader.reconciler = Reconciler(
        OWN, members=lambda: leader.members, store=catalog.store, propose=propose
    )
    running = asyncio.create_task(leader.reconciler.run())
    async with asyncio.timeout(5):
        await written.get()
        leader.members = (member("a", Status.FAILED),)
        leader.reconciler.members_changed()
        await written.get()
        assert CRITICAL == catalog.status("a")

        monkeypatch.setattr(reconcile, "RECONCILE_INTERVAL_S", 0.01)
        leader.members = (member("a"), member("b"))
        leader.reconciler.members_changed()
        await written.get()
        await written.get()
        leader.members = ()
        await written.get()
        await written.get()
    running.cancel()

    assert [] == catalog.nodes()
