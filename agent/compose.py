"""Makes the agent out of its parts: the only file that knows all of them.

    config ─► membership (gossip) ─► server: log, state, leader, peers ──► router ─► HTTP
                                └──► client: pool of servers ────────────┘   ├─► DNS
                                                                             └─► local state,
                                                                                 checks, sync

Nothing here decides anything; ``agent.lifecycle`` starts and stops what is made here.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random, SystemRandom  # noqa: TID251 - the one generator of the process
from typing import TYPE_CHECKING, Any

from agent.checks.runner import CheckRunner
from agent.client.parts import ClientParts
from agent.clock import monotonic_s, wall_s
from agent.config import RuntimeConfig
from agent.dns.rpc_directory import RpcDirectory
from agent.dns.server import DnsServer
from agent.http.front import Front
from agent.http.listeners import HttpServer
from agent.http.routes import ROUTES
from agent.identity import DataDirectory
from agent.late_mesh import LateMesh
from agent.local.agent import LocalAgent
from agent.local.central_config import CentralConfig
from agent.local.servers_catalog import AliasLookup, ServersCatalog
from agent.local.state import LocalState
from agent.local.sync import LocalSync
from agent.membership.events import EventRing
from agent.membership.membership import Membership
from agent.mesh.xds.door import Door
from agent.remote_exec import RemoteExec
from agent.rpc.any_router import AnyRouter
from agent.rpc.security import Security, Terms
from agent.services import Services
from agent.settings import (
    check_settings,
    dns_settings,
    http_settings,
    local_settings,
    name_filter,
)
from agent.tasks import Tasks
from agent.telemetry.logs import LogHub
from agent.telemetry.metrics import Metrics
from agent.telemetry.runtime import Runtime
from agent.watches.watches import Watches
from catalog.duration import SECOND
from catalog.rows.node import Coord, Node
from catalog.rows.service import NodeService

if TYPE_CHECKING:
    from agent.connect.leaf import Leaves
    from agent.mesh.parts import Mesh
    from agent.server.parts import ServerParts


class Agent:
    """Every part of a running agent, by name."""

    def __init__(
        self,
        config: RuntimeConfig,
        *,
        data_directory: DataDirectory | None,
        log_hub: LogHub,
        on_leave: Callable[[], None],
        on_reload: Callable[[], Coroutine[Any, Any, None]],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.config = config
        self.data_directory = data_directory
        self.node_id = _node_id(config, data_directory)
        self.rng: Random = SystemRandom()
        self.started_s = wall_s()
        self.tasks = Tasks()
        self.metrics = Metrics(
            now_s=self.started_s,
            prefix=config.telemetry.metrics_prefix,
            name_filter=name_filter(config),
        )
        self.runtime = Runtime(self.metrics, self.tasks)
        self.events = EventRing()
        self.late_mesh = LateMesh(self, data_directory.path if data_directory else None)
        self._leaves: Leaves | None = None
        self.security = Security(config.datacenter, config.domain, Terms.of(config))
        self._make_membership()
        self.server = self._make_server(on_fatal) if config.server else None
        self.client = None if self.server else self._make_client()
        self._make_local()
        self.services = self._make_services(log_hub, on_leave, on_reload)
        self._make_runners()
        self._make_doors()

    @property
    def router(self) -> AnyRouter:
        """Where requests are answered: here on a server, else by one."""
        if self.server is not None:
            return self.server.router
        assert self.client is not None
        return self.client.router

    @property
    def mesh(self) -> Mesh | None:
        """What serves this agent's proxies; None until there was one."""
        return self.late_mesh.mesh

    def _make_membership(self) -> None:
        config, data_directory = self.config, self.data_directory
        self.local_state = LocalState(
            rng=self.rng,
            check_update_interval_s=config.check_update_interval / SECOND,
            discard_check_output=config.discard_check_output,
        )
        self.membership = Membership(
            config,
            self.node_id,
            data_dir=data_directory.path if data_directory else None,
            tasks=self.tasks,
            rng=self.rng,
            ring=self.events,
            own_services=self._own_services,
        )

    def _make_services(
        self,
        log_hub: LogHub,
        on_leave: Callable[[], None],
        on_reload: Callable[[], Coroutine[Any, Any, None]],
    ) -> Services:
        return Services(
            config=self.config,
            node_id=self.node_id,
            local=self.local,
            make_leaves=self.leaves,
            explain=self.late_mesh.explain,
            feed_path=self.late_mesh.feed_path,
            mesh_view=lambda: self.mesh.view if self.mesh else None,
            mesh_workers=lambda: self.mesh.workers if self.mesh else None,
            membership=self.membership,
            events=self.events,
            server=self.server,
            metrics=self.metrics,
            log_hub=log_hub,
            rng=self.rng,
            new_uuid=_new_uuid,
            started_s=self.started_s,
            on_leave=on_leave,
            on_reload=on_reload,
        )

    def _make_server(self, on_fatal: Callable[[BaseException], None]) -> ServerParts:
        # The log and its files are 1 MiB, which a client need not have.
        from agent.server.cluster_state import ClusterState
        from agent.server.parts import Identity, ServerParts

        data_directory = self.data_directory
        server = ServerParts(
            self.config,
            Identity(
                node_id=self.node_id,
                address=_address(self.config),
                data_dir=data_directory.path if data_directory else None,
            ),
            node=self.node,
            tasks=self.tasks,
            rng=self.rng,
            new_uuid=_new_uuid,
            on_fatal=on_fatal,
            metrics=self.metrics,
            membership=self.membership,
            security=self.security,
        )
        server.router.context.state = ClusterState(
            server.own,
            self.config.datacenter,
            server.driver,
            autopilot=server.autopilot,
            epoch_s=wall_s() - monotonic_s(),
            membership=self.membership,
            on_restored=server.duties.again,
        )
        server.driver.on_leadership(lambda _change: self.sync.server_appeared())
        return server

    def _make_client(self) -> ClientParts:
        return ClientParts(
            self.config,
            self.node_id,
            self.membership.servers,
            tasks=self.tasks,
            rng=self.rng,
            count=self.metrics.count,
            security=self.security,
        )

    def _make_doors(self) -> None:
        config = self.config
        self.front = Front(
            router=self.router,
            routes=ROUTES,
            settings=http_settings(config),
            services=self.services,
            record=self._record_http,
        )
        self.http = HttpServer(self.front, config.limits.https_handshake_timeout / SECOND)
        self.door = Door(self.late_mesh.envoy_handlers, self.tasks.start)
        self.dns = DnsServer(
            RpcDirectory(self.router),
            dns_settings(config),
            tasks=self.tasks,
            rng=self.rng,
            wall_s=wall_s,
            observe=self._record_dns,
        )

    def _own_services(self) -> list[NodeService]:
        return [entry.service for entry in self.local_state.services.values()]

    def leaves(self) -> Leaves:
        """The certificates of this agent's services."""
        if self._leaves is None:
            # Cryptography is 8 MiB, which an agent without mesh services need not have.
            from agent.connect.leaf import Leaves

            self._leaves = Leaves(
                self.router,
                self.config.datacenter,
                rng=self.rng,
                now_s=wall_s,
                start_task=self.tasks.start,
            )
        return self._leaves

    def coordinate(self) -> Coord:
        """This node's network coordinate."""
        return self.membership.coordinate

    def _make_local(self) -> None:
        config = self.config
        self.runner = CheckRunner(
            self.tasks,
            self.rng,
            lambda check_id, status, output: self.local_state.update_check(
                check_id, status, output, now_s=monotonic_s()
            ),
            check_settings(config, os.environ),
            lookup=AliasLookup(self.local_state, self.router),
        )
        self.local = LocalAgent(
            settings=local_settings(config),
            state=self.local_state,
            runner=self.runner,
            data_dir=self.data_directory.path if self.data_directory else None,
        )
        self.central_config = CentralConfig(self.local_state, self.router, self.tasks)
        self.sync = LocalSync(
            state=self.local_state,
            catalog=ServersCatalog(self.router),
            node=self.node,
            now_s=monotonic_s,
        )

    def _make_runners(self) -> None:
        """What runs commands when the cluster says so."""
        self.watches = Watches(self.router, self.events, self.tasks, self.rng)
        self.remote_exec = RemoteExec(
            node=self.config.node_name,
            router=self.router,
            tasks=self.tasks,
            rng=self.rng,
            token=self._agent_token,
        )

    def node(self) -> Node:
        """This node's row of the catalog."""
        config = self.config
        return Node(
            id=self.node_id,
            node=config.node_name,
            address=config.rpc_advertise.host,
            datacenter=config.datacenter,
            tagged_addresses=config.tagged_addresses,
            meta={**config.node_meta, "consul-network-segment": ""},
        )

    def _agent_token(self) -> str:
        tokens = self.config.acl.tokens
        return tokens.agent or tokens.default

    def _record_http(self, method: str, pattern: str, seconds: float) -> None:
        path = pattern.partition("{")[0].lstrip("/").replace("/", "_")
        self.metrics.sample("consul.api.http", seconds * 1000, method=method, path=path)

    def _record_dns(self, kind: str, seconds: float) -> None:
        self.metrics.sample(f"consul.dns.{kind}", seconds * 1000, node=self.config.node_name)


def _node_id(config: RuntimeConfig, data_directory: DataDirectory | None) -> str:
    if data_directory is not None:
        return data_directory.node_id(config.node_id)
    return config.node_id.lower() or _new_uuid()


def _address(config: RuntimeConfig) -> str:
    return f"{config.rpc_advertise.host}:{config.rpc_advertise.port}"


def _new_uuid() -> str:
    return str(uuid.uuid4())


def data_directory_of(config: RuntimeConfig) -> DataDirectory | None:
    """The agent's data directory; none in -dev unless one is named."""
    return DataDirectory(Path(config.data_dir)) if config.data_dir else None
