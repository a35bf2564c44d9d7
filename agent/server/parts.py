"""Makes a server out of its parts: the log and its peers, the state, its router, its duties.

    other servers ◄─► transport ◄─► driver (log) ─► state machine ─► local router ─► server router
                                      ▲    │                                            │ asks
                                      │    └─ leadership ─► duties                      ▼
                        bootstrap, autopilot (members)                 leader (calls), abroad

A client agent has none of these. Nothing here decides anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from agent.clock import boottime_s, monotonic_s, wall_s
from agent.config import RuntimeConfig
from agent.membership.flood import flood
from agent.membership.membership import Membership
from agent.rpc import wire
from agent.rpc.abroad import Abroad
from agent.rpc.dial import Dialler
from agent.rpc.peer_server import PeerServer
from agent.rpc.remote_router import CallLimits
from agent.rpc.request import Reply, Request
from agent.rpc.router import Router
from agent.rpc.security import Security
from agent.rpc.server import Random, ServerContext
from agent.rpc.server_router import ServerRouter
from agent.server.autopilot_loop import AutopilotLoop
from agent.server.bootstrap import Bootstrap, Mode
from agent.server.config_seed import entries_of, seed
from agent.server.departure import Departure
from agent.server.duties import Duties
from agent.server.leader import Leader
from agent.server.leader_calls import LeaderCalls
from agent.server.reconcile import Reconciler
from agent.server.server_calls import ServerCalls
from agent.server.server_members import ServerMember, server_members, split_address
from agent.server.sessions import SessionTimers
from agent.server.settings import autopilot_configuration, peer_limits, raft_settings
from agent.tasks import Tasks
from agent.telemetry.calls import CallMetrics
from agent.telemetry.metrics import Metrics
from catalog.apply import StateMachine
from catalog.duration import SECOND, format_duration
from catalog.intentions import undecided
from catalog.rows.node import Node
from catalog.store import Store
from catalog.tables import AUTOPILOT
from gossip.core.effects import Change
from gossip.core.types import Member
from raft.connection import Connection
from raft.core.types import Role
from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import NON_VOTER, VOTER, Configuration, Server
from raft.machine import Surroundings
from raft.peer_link import Surroundings as LinkSurroundings
from raft.storage import MemoryStorage
from raft.transport import Identity as TransportIdentity
from raft.transport import Reports, Transport

if TYPE_CHECKING:
    from agent.connect.authority import Authority

# As Consul names them in its statistics.
ROLE_NAMES: Final = {
    Role.LEADER: "Leader",
    Role.FOLLOWER: "Follower",
    Role.PRE_CANDIDATE: "Candidate",
    Role.CANDIDATE: "Candidate",
}

_log = structlog.get_logger("agent.server")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server is, and where its log is; ``data_dir`` None keeps all in memory."""

    node_id: str
    address: str
    data_dir: Path | None


class ServerParts:
    """Every part of a running server, by name. ``node`` is this node's row of the catalog."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        config: RuntimeConfig,
        identity: Identity,
        *,
        node: Callable[[], Node],
        tasks: Tasks,
        rng: Random,
        new_uuid: Callable[[], str],
        on_fatal: Callable[[BaseException], None],
        metrics: Metrics,
        membership: Membership,
        security: Security,
    ) -> None:
        self._config = config
        self._security = security
        self._node = node
        self._tasks = tasks
        self._metrics = metrics
        self._membership = membership
        suffrage = NON_VOTER if config.read_replica else VOTER
        self.own = Server(suffrage=suffrage, id=identity.node_id, address=identity.address)
        self.timers = SessionTimers(self._end_session)
        self.machine = StateMachine(self.timers.hear)
        self._make_log(identity, rng, on_fatal)
        self.authority = self._make_authority(new_uuid)
        self._make_router(rng, new_uuid)
        self._make_leadership()

    def _make_log(
        self, identity: Identity, rng: Random, on_fatal: Callable[[BaseException], None]
    ) -> None:
        data_dir, start_task = identity.data_dir, self._tasks.start
        settings = raft_settings(self._config)
        self.driver = Driver(
            self.machine,
            DurableStorage(data_dir / "raft", self.own.id) if data_dir else MemoryStorage(),
            self.own,
            settings,
            Surroundings(
                wall_s=wall_s,
                monotonic_s=boottime_s,
                random=rng.random,
                start_task=start_task,
                on_fatal=on_fatal,
            ),
        )
        self.transport = Transport(
            TransportIdentity(self.own.id),
            LinkSurroundings(
                dial=self._dial_raft,
                random=rng.random,
                start_task=start_task,
                count=self._count_link,
            ),
            Reports(
                message=self.driver.receive,
                unreachable=self.driver.peer_unreachable,
                cluster_met=self.driver.cluster_met,
                trouble=_tell_trouble,
            ),
            election_timeout_s=settings.election_timeout_s,
        )
        self.driver.connect(self.transport)

    def _make_router(self, rng: Random, new_uuid: Callable[[], str]) -> None:
        config, metrics = self._config, self._metrics
        hello = wire.Hello(
            node=config.node_name,
            node_id=self.own.id,
            datacenter=config.datacenter,
            role=wire.Role.SERVER,
        )
        dialler = Dialler(hello, config.limits.rpc_handshake_timeout / SECOND, self._security)
        self.calls = ServerCalls(dialler)
        self.abroad = Abroad(
            config.datacenter,
            self._membership.servers_abroad,
            dialler,
            self._tasks.start,
            CallLimits.of(config),
            rng=rng,
            now_s=monotonic_s,
            count=metrics.count,
        )
        context = ServerContext(
            store=self.store,
            datacenter=config.datacenter,
            node_name=config.node_name,
            timers=self.timers,
            rng=rng,
            new_uuid=new_uuid,
            now_s=wall_s,
            session_ttl_min_ns=config.session_ttl_min or 10 * SECOND,
            authority=self.authority,
            abroad=self.abroad,
            undecided=undecided(
                config.default_intention_policy,
                config.acl.default_policy if config.acl.enabled else "",
            ),
        )
        local = Router(context, self.driver, config, CallMetrics(metrics).record)
        self.router = ServerRouter(
            local,
            self.driver,
            LeaderCalls(self.driver, self.calls),
            self.abroad,
            lambda: self._config.performance.rpc_hold_timeout / SECOND,
            self._tasks.start,
        )
        self.peers = PeerServer(
            self.router, hello, self._tasks, peer_limits(config), metrics.count, self._security
        )
        self.peers.accept_raft = self.transport.accept

    def _make_leadership(self) -> None:
        config, membership = self._config, self._membership
        self.leader = Leader(self.router.local, self.propose, self.store, self.timers)
        self.reconciler = Reconciler(
            config.node_name,
            members=membership.lan_members,
            store=self.store,
            propose=self.propose,
        )
        self.autopilot = AutopilotLoop(
            self.own.id,
            members=self._server_members,
            consensus=self.driver,
            ask=self.calls.ask,
            force_leave=lambda name: membership.force_leave(name, prune=False),
            settings=lambda: self.store.get(AUTOPILOT, "") or autopilot_configuration(config),
            now_s=monotonic_s,
        )
        loops = {
            "reconcile": self.reconciler.run,
            "autopilot": self.autopilot.run,
            "tombstones": lambda: self.leader.reap_tombstones(lambda: self.driver.applied_index),
        }
        if self.authority is not None:
            from agent.connect.upkeep import Upkeep

            upkeep = Upkeep(self.authority)
            loops["root pruning"] = upkeep.prune
            loops["certificate upkeep"] = upkeep.run
        self.duties = Duties(self._lead, loops, self.timers.stop, self._tasks.start)
        self.driver.on_leadership(self.duties.leadership_changed)
        self.bootstrap = Bootstrap(
            self.own,
            Mode(expect=config.bootstrap_expect),
            members=self._server_members,
            consensus=self.driver,
            ask=self.calls.ask,
        )
        self.departure = Departure(
            self.own.id, members=self._server_members, consensus=self.driver, now_s=monotonic_s
        )

    def _server_members(self) -> tuple[ServerMember, ...]:
        return server_members(self._membership.lan_members(), self._config.datacenter)

    async def _dial_raft(self, address: str, protocol: Callable[[], Connection], /) -> None:
        """Connect a link between two servers of the log. Raises OSError."""
        host, port = split_address(address)
        await self._security.connect(protocol, host, port)

    def _count_link(self, name: str) -> None:
        self._metrics.count("consul.raft.transport", event=name.removeprefix("raft.transport."))

    @property
    def store(self) -> Store:
        """The replicated state."""
        return self.machine.store

    def _end_session(self, session_id: str) -> None:
        # The leader's duties need the timers, and these the leader, which is made later.
        self.leader.end_session(session_id)

    def _make_authority(self, new_uuid: Callable[[], str]) -> Authority | None:
        if not self._config.connect.enabled:
            return None
        # Cryptography is 8 MiB, which a server without an authority need not have.
        from agent.connect.authority import Authority
        from agent.connect.secondary import RemotePrimary

        own, primary = self._config.datacenter, self._config.primary_datacenter
        return Authority(
            store=self.store,
            log=self.driver,
            datacenter=own,
            now_s=wall_s,
            new_uuid=new_uuid,
            primary=RemotePrimary(self._call_abroad, primary) if own != primary else None,
        )

    async def _call_abroad(self, request: Request) -> Reply:
        # The authority is made before the way to other datacenters.
        return await self.abroad.call(request)

    def stats(self) -> dict[str, str]:
        """The log's statistics; all values are text."""
        driver = self.driver
        return {
            "applied_index": str(driver.applied_index),
            "commit_index": str(driver.commit_index),
            "fsm_pending": "0",
            "last_contact": _contact(driver.last_contact_s),
            "last_log_index": str(driver.last_index),
            "last_log_term": str(driver.last_term),
            "last_snapshot_index": str(driver.last_snapshot_index),
            "last_snapshot_term": str(driver.last_snapshot_term),
            "num_peers": str(max(len(driver.configuration.voter_ids()) - 1, 0)),
            "protocol_version": "3",
            "protocol_version_max": "3",
            "protocol_version_min": "0",
            "snapshot_version_max": "1",
            "snapshot_version_min": "0",
            "state": ROLE_NAMES[driver.role],
            "term": str(driver.term),
        }

    async def propose(self, command: bytes) -> object:
        """Propose a command; its result once it is applied."""
        _index, result = await self.driver.propose(command)
        return result

    async def start(self) -> None:
        """Recover the log and answer other agents; a server that is alone leads afterwards.

        Raises OSError and RaftError.
        """
        await self.start_log()
        listen = self._config.rpc_addr
        self.peers.listen(listen.host, listen.port)
        self.abroad.start()
        self._membership.subscribe(self._members_changed)
        self._tasks.start("bootstrap", self.bootstrap.run())
        self._tasks.start("flood", flood(self._membership))

    async def start_log(self) -> None:
        """Recover the log; a server that is alone begins one, and has taken up its duties then."""
        is_alone = self._config.bootstrap or self._config.dev_mode
        await self.driver.start(Configuration((self.own,)) if is_alone else None)
        if self.driver.is_leader:
            await self.duties.begun()

    async def leave(self) -> None:
        """Let others lead, before gossip says goodbye."""
        await self.departure.hand_over()

    async def left(self) -> None:
        """Wait until the others count on this server no more, after the goodbye."""
        await self.departure.until_removed()

    async def stop(self) -> None:
        """Answer nobody any more, then close the log."""
        await self.peers.close()
        self.duties.stop()
        await self.driver.stop()
        await self.transport.close()
        self.calls.close()
        self.abroad.close()

    def _members_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        self.reconciler.members_changed()
        self.autopilot.members_changed(change, members)
        self.bootstrap.members_changed()

    def apply(self, config: RuntimeConfig) -> None:
        """Use new settings from now on."""
        self.router.limits = config
        self.abroad.limits = CallLimits.of(config)
        self.peers.limits = peer_limits(config)
        self.driver.reconfigure(raft_settings(config))

    async def _lead(self) -> None:
        """What comes first in every leadership. Raises RaftError."""
        config = self._config
        await self.driver.barrier()
        await self.leader.start(
            self._node(), config.rpc_advertise.port, autopilot_configuration(config)
        )
        await seed(entries_of(config.config_entries.bootstrap), self.store, self.propose)
        if self.authority is not None:
            connect = config.connect
            await self.authority.start(connect.ca_provider or "consul", connect.ca_config)


def _tell_trouble(peer_id: str, reason: str) -> None:
    _log.warning("server of the log not connected", server=peer_id, reason=reason)


def _contact(seconds: float) -> str:
    """As Consul shows it: 0 on the leader, ``never``, or a duration."""
    if not math.isfinite(seconds):
        return "never"
    return format_duration(round(seconds * SECOND)) if seconds else "0"
