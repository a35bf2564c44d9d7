"""What this agent is and does, as its HTTP handlers ask for it.

One object over the parts that ``agent.compose`` made; it decides nothing itself.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from agent.clock import wall_s
from agent.config import RuntimeConfig, debug_config
from agent.local.agent import LocalAgent
from agent.membership.events import EventRing, UserEvent
from agent.membership.membership import Membership
from agent.rpc.blocking import wait_s as wait_s_of
from agent.rpc.server import Random
from agent.telemetry.logs import LogHub
from agent.telemetry.metrics import Metrics
from agent.telemetry.render import to_json as metrics_to_json
from agent.telemetry.render import to_prometheus
from agent.telemetry.stream import stream_json
from agent.version import REVISION, VERSION
from catalog.rows.node import Coord

if TYPE_CHECKING:
    from agent.connect.leaf import Leaves, Served
    from agent.mesh.explain import Asked
    from agent.mesh.explain_answer import Explanation
    from agent.mesh.view import View
    from agent.mesh.workers import Workers
    from agent.server.parts import ServerParts


class Services:
    """See the module. Times are seconds since the epoch."""

    def __init__(  # noqa: PLR0913 - every part that handlers reach, named
        self,
        *,
        config: RuntimeConfig,
        node_id: str,
        local: LocalAgent,
        make_leaves: Callable[[], Leaves],
        explain: Callable[[Asked, str], Awaitable[Explanation]],
        feed_path: Callable[[], Awaitable[str]],
        mesh_view: Callable[[], View | None],
        mesh_workers: Callable[[], Workers | None],
        membership: Membership,
        events: EventRing,
        server: ServerParts | None,
        metrics: Metrics,
        log_hub: LogHub,
        rng: Random,
        new_uuid: Callable[[], str],
        started_s: float,
        on_leave: Callable[[], None],
        on_reload: Callable[[], Awaitable[None]],
    ) -> None:
        self.config = config
        self.node_id = node_id
        self.local = local
        self.events = events
        self.rng = rng
        self.new_uuid = new_uuid
        self.started_s = started_s
        self._make_leaves = make_leaves
        self.explain = explain
        self.feed_path = feed_path
        self.mesh_view = mesh_view
        self.mesh_workers = mesh_workers
        self._leaves: Leaves | None = None
        self._membership = membership
        self._server = server
        self._metrics = metrics
        self._log_hub = log_hub
        self._on_leave = on_leave
        self._on_reload = on_reload

    # This node.

    def node_meta(self) -> dict[str, str]:
        """The metadata of this node."""
        return {**self.config.node_meta, "consul-network-segment": ""}

    def debug_config(self) -> dict[str, Any]:
        """The whole configuration, without secrets."""
        return debug_config(self.config)

    def coordinate(self) -> Coord:
        """This node's network coordinate."""
        return self._membership.coordinate

    def member(self) -> dict[str, Any]:
        """This agent as a member of the cluster."""
        name = self.config.node_name
        return next(each for each in self.members(wide=False) if each["Name"] == name)

    def members(self, *, wide: bool) -> list[dict[str, Any]]:
        """The members known; names between datacenters carry the datacenter."""
        return self._membership.members(wide=wide)

    def stats(self) -> dict[str, dict[str, str]]:
        """Statistics by section; all values are text."""
        config, checks = self.config, self.local.checks()
        ttl_count = sum(entry.check.type == "ttl" for entry in checks.values())
        sections = {
            "agent": {
                "check_monitors": str(len(checks) - ttl_count),
                "check_ttls": str(ttl_count),
                "checks": str(len(checks)),
                "services": str(len(self.local.services())),
            },
            "build": {"prerelease": "", "revision": REVISION, "version": VERSION},
            "consul": {
                "acl": "disabled",
                "known_servers": str(len(self._membership.servers.servers())),
                "server": str(config.server).lower(),
            },
            "runtime": {
                "arch": platform.machine(),
                "cpu_count": str(_cpu_count()),
                "os": platform.system().lower(),
                "tasks": str(len(asyncio.all_tasks())),
                "version": f"python{sys.version.split()[0]}",
            },
            "serf_lan": self._membership.stats(wide=False),
        }
        if self._server is not None:
            sections["serf_wan"] = self._membership.stats(wide=True)
            sections["raft"] = self._server.stats()
            sections["consul"] |= {
                "bootstrap": str(config.bootstrap or config.dev_mode).lower(),
                "known_datacenters": str(len(self._membership.datacenters())),
                "leader": str(self._server.driver.is_leader).lower(),
                "leader_addr": self._server.driver.leader_address,
            }
        return sections

    # Membership.

    async def join(self, address: str, *, wide: bool) -> None:
        """Join another agent. Raises CatalogError with the reason."""
        await self._membership.join([address], wide=wide)

    async def force_leave(self, name: str, *, prune: bool, wide: bool) -> None:
        """Count a failed member as having left. Raises CatalogError for an unknown name."""
        await self._membership.force_leave(name, prune=prune, wide=wide)

    def leave(self) -> None:
        """Leave the cluster and end the process, after the answer is sent."""
        self._on_leave()

    async def reload(self) -> None:
        """Read the configuration again. Raises Invalid and then has changed nothing."""
        await self._on_reload()

    # Events.

    def fire_event(self, event: UserEvent) -> None:
        """Send an event; this agent receives it too, if it concerns it. Raises Invalid."""
        self._membership.fire_event(event)

    # The mesh.

    async def leaf(self, service: str, *, token: str, min_index: int, wait_ns: int) -> Served:
        """A service's certificate and key; blocks while its index is not beyond ``min_index``."""
        wait_s = wait_s_of(wait_ns, self.config, self.rng)
        if self._leaves is None:
            self._leaves = self._make_leaves()
        return await self._leaves.get(service, token, min_index, wait_s)

    def leaf_expires_in_s(self) -> float | None:
        """Seconds until the first of this agent's leaves ends; None without any."""
        return None if self._leaves is None else self._leaves.expires_in_s()

    # Telemetry.

    def metrics_json(self) -> dict[str, Any]:
        """The metrics in the API's shape."""
        return metrics_to_json(self._metrics, now_s=wall_s(), host_name=self._metrics_host)

    def metrics_prometheus(self) -> bytes:
        """The metrics in Prometheus' text form."""
        return to_prometheus(self._metrics, host_name=self._metrics_host)

    def metrics_stream(self) -> AsyncIterator[bytes]:
        """The metrics of each interval as it ends, a line of JSON each."""
        return stream_json(self._metrics, host_name=self._metrics_host)

    @property
    def _metrics_host(self) -> str:
        """The part of gauge names that tells hosts apart, if it is wanted."""
        return "" if self.config.telemetry.disable_hostname else self.config.node_name

    def follow_log(self, level: str, *, as_json: bool) -> AsyncIterator[bytes]:
        """Log lines from now on."""
        return self._log_hub.follow(level, as_json=as_json)


def _cpu_count() -> int:
    import os

    return os.cpu_count() or 1
