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

from agent.clock import wall_s
from agent.config import RuntimeConfig
from agent.rpc.router import Router
from agent.rpc.server import Random, ServerContext
from agent.server.leader import Leader
from agent.server.sessions import SessionTimers
from agent.settings import autopilot_configuration, raft_settings
from agent.tasks import Tasks
from catalog.apply import StateMachine
from catalog.duration import SECOND
from catalog.rows.node import Node
from catalog.store import Store
from raft.driver import Driver
from raft.durable import DurableStorage
from raft.entries import Server
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
        record: Callable[[str, float], None],
    ) -> None:
        self._config = config
        self.timers = SessionTimers(self._end_session)
        self.machine = StateMachine(self.timers.hear)
        data_dir = identity.data_dir
        self.driver = Driver(
            self.machine,
            DurableStorage(data_dir / "raft", identity.node_id) if data_dir else MemoryStorage(),
            Server(suffrage=0, id=identity.node_id, address=identity.address),
            raft_settings(config),
            Surroundings(
                wall_s=wall_s, random=rng.random, start_task=tasks.start, on_fatal=on_fatal
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
        self.router = Router(context, self.driver, config, record)
        self.leader = Leader(self.router, self.store, self.timers)

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

    async def lead(self, node: Node) -> None:
        """Take up a leader's duties, at the start and after the whole state was replaced."""
        config = self._config
        self.timers.stop()
        await self.leader.start(node, config.rpc_advertise.port, autopilot_configuration(config))
        if self.authority is not None:
            connect = config.connect
            await self.authority.start(connect.ca_provider or "consul", connect.ca_config)
