"""Makes a server out of its parts: the log, the state, its clocks, its authority, its router.

    log (driver) ─► state machine ─► router
         ▲                │
         └── leader ◄── session timers, authority

A client agent has none of these. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent.clock import monotonic_s, wall_s
from agent.config import RuntimeConfig
from agent.membership.flood import flood
from agent.membership.membership import Membership
from agent.rpc import wire
from agent.rpc.peer_server import PeerServer
from agent.rpc.router import Router
from agent.rpc.server import Random, ServerContext
from agent.server.leader import Leader
from agent.server.reconcile import Reconciler
from agent.server.sessions import SessionTimers
from agent.settings import autopilot_configuration, peer_limits, raft_settings
from agent.tasks import Tasks
from agent.telemetry.calls import CallMetrics
from agent.telemetry.metrics import Metrics
from catalog.apply import StateMachine
from catalog.duration import SECOND
from catalog.rows.node import Node
from catalog.store import Store
from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import Server, sole_configuration
from raft.machine import Surroundings
from raft.storage import MemoryStorage

if TYPE_CHECKING:
    from agent.connect.authority import Authority


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server is, and where its log is; ``data_dir`` None keeps all in memory."""

    node_id: str
    address: str
    data_dir: Path | None


class ServerParts:
    """Every part of a running server, by name."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        config: RuntimeConfig,
        identity: Identity,
        *,
        tasks: Tasks,
        rng: Random,
        new_uuid: Callable[[], str],
        on_fatal: Callable[[BaseException], None],
        metrics: Metrics,
        membership: Membership,
    ) -> None:
        self._config = config
        self.address = identity.address
        self._node_id = identity.node_id
        self.timers = SessionTimers(self._end_session)
        self.machine = StateMachine(self.timers.hear)
        data_dir = identity.data_dir
        self.driver = Driver(
            self.machine,
            DurableStorage(data_dir / "raft", identity.node_id) if data_dir else MemoryStorage(),
            Server(suffrage=0, id=identity.node_id, address=identity.address),
            raft_settings(config),
            Surroundings(
                wall_s=wall_s,
                monotonic_s=monotonic_s,
                random=rng.random,
                start_task=tasks.start,
                on_fatal=on_fatal,
            ),
        )
        self.authority = self._make_authority(tasks, new_uuid)
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
        )
        self.router = Router(context, self.driver, config, CallMetrics(metrics).record)
        self.leader = Leader(self.router, self.store, self.timers)
        self.reconciler = Reconciler(
            config.node_name,
            members=membership.lan_members,
            store=self.store,
            propose=self.propose,
        )
        self.peers = PeerServer(
            self.router,
            wire.Hello(
                node=config.node_name,
                node_id=identity.node_id,
                datacenter=config.datacenter,
                role=wire.Role.SERVER,
            ),
            tasks,
            peer_limits(config),
            metrics.count,
        )
        self._membership = membership
        self._tasks = tasks

    @property
    def store(self) -> Store:
        """The replicated state."""
        return self.machine.store

    def _end_session(self, session_id: str) -> None:
        # The leader's duties need the timers, and these the leader, which is made later.
        self.leader.end_session(session_id)

    def _make_authority(self, tasks: Tasks, new_uuid: Callable[[], str]) -> Authority | None:
        if not self._config.connect.enabled:
            return None
        # Cryptography is 8 MiB, which a server without an authority need not have.
        from agent.connect.authority import Authority

        return Authority(
            store=self.store,
            log=self.driver,
            datacenter=self._config.datacenter,
            now_s=wall_s,
            new_uuid=new_uuid,
            start_task=tasks.start,
        )

    def stats(self) -> dict[str, str]:
        """The log's statistics; all values are text."""
        driver = self.driver
        return {
            "applied_index": str(driver.applied_index),
            "commit_index": str(driver.commit_index),
            "fsm_pending": "0",
            "last_contact": "0",
            "last_log_index": str(driver.last_index),
            "last_log_term": str(driver.term),
            "last_snapshot_index": str(driver.last_snapshot_index),
            "last_snapshot_term": str(driver.last_snapshot_term),
            "num_peers": str(len(driver.configuration.servers) - 1),
            "protocol_version": "3",
            "protocol_version_max": "3",
            "protocol_version_min": "0",
            "snapshot_version_max": "1",
            "snapshot_version_min": "0",
            "state": "Leader",
            "term": str(driver.term),
        }

    async def propose(self, command: bytes) -> object:
        """Propose a command; its result once it is applied."""
        _index, result = await self.driver.propose(command)
        return result

    async def start_log(self) -> None:
        """Recover the log, or begin one; then lead, as this server is alone."""
        await self.driver.start(sole_configuration(self._node_id, self.address))

    async def start(self, node: Node) -> None:
        """Recover the log, lead, and answer other agents. Raises OSError and RaftError."""
        await self.start_log()
        await self.lead(node)
        self._tasks.start("reconcile", self.reconciler.run())
        self._membership.subscribe(lambda _change, _members: self.reconciler.members_changed())
        self._tasks.start("flood", flood(self._membership))
        reaping = self.leader.reap_tombstones(lambda: self.driver.applied_index)
        self._tasks.start("tombstones", reaping)
        listen = self._config.rpc_addr
        await self.peers.listen(listen.host, listen.port)

    async def stop(self) -> None:
        """Answer nobody any more, then close the log."""
        await self.peers.close()
        self.timers.stop()
        await self.driver.stop()

    def apply(self, config: RuntimeConfig) -> None:
        """Use new settings from now on."""
        self.router.limits = config
        self.peers.limits = peer_limits(config)
        self.driver.reconfigure(raft_settings(config))

    async def lead(self, node: Node) -> None:
        """Take up a leader's duties, at the start and after the whole state was replaced."""
        config = self._config
        self.timers.stop()
        await self.leader.start(node, config.rpc_advertise.port, autopilot_configuration(config))
        if self.authority is not None:
            connect = config.connect
            await self.authority.start(connect.ca_provider or "consul", connect.ca_config)
