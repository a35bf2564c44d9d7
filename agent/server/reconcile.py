"""What the leader writes into the catalog because of members: who is alive, failed or gone.

    alive   node, passing serfHealth, and the service ``consul`` of a server
    failed  serfHealth critical, all else is kept
    left    the node and all on it go; so do nodes with serfHealth that are no members any more

Nodes without serfHealth were registered from outside and are never touched. The leader does not
take itself out. What is stored already is not written again. Source: surface §10.1.

Unlike Consul, a node that was never seen as a member is given a minute to become one: after a
restart of the servers the new leader may not have met anybody yet, and sessions that go do not
come back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import msgspec
import structlog

from agent.clock import monotonic_s
from agent.membership.tags import host_of, server_of
from catalog.commands import Command, Deregister, Register, encode
from catalog.errors import CatalogError
from catalog.rows.check import (
    CRITICAL,
    PASSING,
    SERF_ALIVE_OUTPUT,
    SERF_FAILED_OUTPUT,
    SERF_HEALTH,
    SERF_HEALTH_NAME,
    HealthCheck,
)
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SERVICES
from gossip.core.types import Member, Status
from raft.errors import RaftError

RECONCILE_INTERVAL_S: Final = 60.0  # Consul's; changes of members come at once
ABSENCE_S_MAX: Final = 60.0  # members meet again within seconds; a lost half is sought every 30 s
COALESCE_S: Final = 0.05  # a rack that fails, or a start of many, is one pass over the members
WRITES_PER_NODE_MAX: Final = 2  # in one pass: a reborn node fails first, then it is alive
CONSUL_SERVICE_ID: Final = "consul"

_log = structlog.get_logger("agent.server")

Members = Callable[[], tuple[Member, ...]]
Propose = Callable[[bytes], Awaitable[object]]


# The rules.


def changes(members: Iterable[Member], store: Store, *, own_name: str) -> list[Command]:
    """Every write that makes the catalog agree with the members; none when it does."""
    by_name = {member.name.lower(): member for member in members}
    found = (change(name, by_name, store, own_name=own_name) for name in subjects(by_name, store))
    return [command for command in found if command is not None]


def subjects(members: Mapping[str, Member], store: Store) -> list[str]:
    """The names, in lower case, of all that members or their past may bear on."""
    return list(dict.fromkeys([*members, *(node.node.lower() for node in store.all(NODES))]))


def change(
    name: str, members: Mapping[str, Member], store: Store, *, own_name: str
) -> Command | None:
    """The write that makes one node agree with its member; None when it does."""
    member = members.get(name)
    known = store.get(NODES, name)
    is_own = name == own_name.lower()
    if member is None:
        has_serf_health = store.get(CHECKS, (name, SERF_HEALTH)) is not None
        is_stale = known is not None and has_serf_health and not is_own
        return Deregister(node=known.node) if known is not None and is_stale else None
    match member.status:
        case Status.ALIVE:
            return _alive(member, known, store)
        case Status.FAILED:
            return _failed(known, store)
        case Status.LEFT:
            return Deregister(node=known.node) if known is not None and not is_own else None
        case Status.LEAVING | Status.NONE:
            return None


def registration(node: Node, known: Node | None, service: NodeService | None = None) -> Register:
    """The registration of a node that is alive; what its agent told of it is kept.

    ``known`` is the stored row. ``service`` is ``consul`` for a server.
    """
    if known is not None and (not node.id or known.id in {"", node.id}):
        node = msgspec.structs.replace(
            node,
            tagged_addresses=known.tagged_addresses,
            meta=known.meta,
            create_index=0,
            modify_index=0,
        )
    return Register(
        node=node, service=service, checks=(_serf_health(node.node, PASSING, SERF_ALIVE_OUTPUT),)
    )


def consul_service(
    port: int,
    *,
    version: str,
    raft_version: str = "3",
    protocol: tuple[int, int, int] = (1, 5, 2),
) -> NodeService:
    """The service ``consul`` of a server. ``protocol``: gossip's lowest, highest, spoken."""
    lowest, highest, spoken = protocol
    return NodeService(
        id=CONSUL_SERVICE_ID,
        service=CONSUL_SERVICE_ID,
        tags=(),
        port=port,
        meta={
            "raft_version": raft_version,
            "serf_protocol_current": str(spoken),
            "serf_protocol_max": str(highest),
            "serf_protocol_min": str(lowest),
            "version": version,
        },
    )


def _alive(member: Member, known: Node | None, store: Store) -> Command | None:
    node = Node(
        id=member.tags.get("id", ""),
        node=member.name,
        address=host_of(member),
        datacenter=member.tags.get("dc", ""),
    )
    is_reborn = known is not None and known.id != "" and node.id not in {"", known.id}
    if is_reborn and not _has_status(store, member.name, CRITICAL):
        # Another host took the name. The catalog gives it away only once the old one has failed.
        return _failed(known, store)
    service = _service_of(member)
    is_stored = (
        known is not None
        and known.address == node.address
        and node.id in {"", known.id}
        and _has_status(store, member.name, PASSING)
        and _has_service(store, member.name, service)
    )
    return None if is_stored else registration(node, known, service)


def _failed(known: Node | None, store: Store) -> Command | None:
    if known is None or _has_status(store, known.node, CRITICAL):
        return None
    return Register(
        node=known,
        skip_node_update=True,
        checks=(_serf_health(known.node, CRITICAL, SERF_FAILED_OUTPUT),),
    )


def _service_of(member: Member) -> NodeService | None:
    server = server_of(member)
    if server is None:
        return None
    versions = member.versions
    return consul_service(
        server.port,
        version=server.build,
        raft_version=server.raft_version,
        protocol=(versions.protocol_min, versions.protocol_max, versions.protocol),
    )


def _has_status(store: Store, name: str, status: str) -> bool:
    check = store.get(CHECKS, (name.lower(), SERF_HEALTH))
    return check is not None and check.status == status


def _has_service(store: Store, name: str, service: NodeService | None) -> bool:
    if service is None:
        return True
    stored = store.get(SERVICES, (name.lower(), service.id))
    return stored is not None and (stored.service.port, stored.service.meta) == (
        service.port,
        service.meta,
    )


def _serf_health(node: str, status: str, output: str) -> HealthCheck:
    return HealthCheck(
        node=node, check_id=SERF_HEALTH, name=SERF_HEALTH_NAME, status=status, output=output
    )


# The loop.


class Reconciler:
    """Runs while this server leads. ``propose`` returns the command's result.

    A refusal, raised as CatalogError or given as the result, is tried again at the next pass.
    """

    def __init__(
        self,
        own_name: str,
        *,
        members: Members,
        store: Store,
        propose: Propose,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._own_name = own_name
        self._members = members
        self._store = store
        self._propose = propose
        self._now_s = now_s
        self._met: set[str] = set()  # names of members in the passes so far
        self._absent_since_s: dict[str, float] = {}  # names of nodes that were never met
        self._changed = asyncio.Event()

    def members_changed(self) -> None:
        """Look at the members soon."""
        self._changed.set()

    async def run(self) -> None:
        """Reconcile now, at each change and every minute, until cancelled."""
        self._absent_since_s = {}
        while True:
            self._changed.clear()
            await self.reconcile()
            try:
                async with asyncio.timeout(RECONCILE_INTERVAL_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(COALESCE_S)

    async def reconcile(self) -> None:
        """One pass; ends early when the log takes nothing now."""
        members = self._by_name()
        names = subjects(members, self._store)
        self._met = (self._met & set(names)) | members.keys()
        now_s, before = self._now_s(), self._absent_since_s
        absent = {name: before.get(name, now_s) for name in names if name not in self._met}
        self._absent_since_s = absent
        for name in names:
            if name in absent and now_s - absent[name] < ABSENCE_S_MAX:
                continue  # it may come yet
            for _ in range(WRITES_PER_NODE_MAX):
                command = change(name, members, self._store, own_name=self._own_name)
                if command is None:
                    break
                try:
                    await self._write(name, command)
                except RaftError as error:
                    _log.warning("members not reconciled yet", error=str(error))
                    return
                members = self._by_name()  # they may have changed while the log was busy

    async def _write(self, name: str, command: Command) -> None:
        try:
            result = await self._propose(encode(command))
        except CatalogError as error:
            result = error
        if isinstance(result, CatalogError):
            _log.warning("member not reconciled", member=name, error=str(result))
        else:
            _log.info("member reconciled", member=name, change=_summary(command))

    def _by_name(self) -> dict[str, Member]:
        return {member.name.lower(): member for member in self._members()}


def _summary(command: Command) -> str:
    match command:
        case Register(checks=(check, *_)):
            return check.status
        case _:
            return "deregistered"
