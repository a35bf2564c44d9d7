"""What this agent is and does, as its HTTP handlers ask for it.

One object over the parts that ``agent.compose`` made; it decides nothing itself.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from agent.clock import wall_s
from agent.config import RuntimeConfig, debug_config
from agent.local.agent import LocalAgent
from agent.membership.events import EventRing, UserEvent, check, concerns
from agent.rpc.blocking import wait_s as wait_s_of
from agent.rpc.server import Random
from agent.telemetry.logs import LogHub
from agent.telemetry.metrics import Metrics
from agent.telemetry.render import to_json as metrics_to_json
from agent.telemetry.render import to_prometheus
from agent.telemetry.stream import stream_json
from agent.version import COMPATIBLE, REVISION, VERSION
from catalog.errors import CatalogError
from catalog.rows.node import Coord, Coordinate
from catalog.store import Store
from catalog.tables import COORDINATES
from raft.driver import Driver

if TYPE_CHECKING:
    from agent.connect.leaf import Leaves, Served


class Services:
    """See the module. Times are seconds since the epoch."""

    def __init__(  # noqa: PLR0913 - every part that handlers reach, named
        self,
        *,
        config: RuntimeConfig,
        node_id: str,
        local: LocalAgent,
        make_leaves: Callable[[], Leaves],
        store: Store,
        driver: Driver,
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
        self.events = EventRing()
        self.rng = rng
        self.new_uuid = new_uuid
        self.started_s = started_s
        self._make_leaves = make_leaves
        self._leaves: Leaves | None = None
        self._store = store
        self._driver = driver
        self._metrics = metrics
        self._log_hub = log_hub
        self._on_leave = on_leave
        self._on_reload = on_reload

    # Servers.

    @property
    def leader_address(self) -> str:
        """Where the leader's RPC listens."""
        host = self.config.rpc_advertise
        return f"{host.host}:{host.port}"

    # This node.

    def node_meta(self) -> dict[str, str]:
        """The metadata of this node."""
        return {**self.config.node_meta, "consul-network-segment": ""}

    def debug_config(self) -> dict[str, Any]:
        """The whole configuration, without secrets."""
        return debug_config(self.config)

    def coordinate(self) -> Coord:
        """This node's network coordinate."""
        found = self._store.find(COORDINATES, "node", self.config.node_name.lower())
        return found[0].coord if found else Coord()

    def wide_area_coordinates(self) -> list[Coordinate]:
        """The servers' coordinates between datacenters."""
        name = f"{self.config.node_name}.{self.config.datacenter}"
        return [Coordinate(node=name, coord=Coord())]

    def member(self) -> dict[str, Any]:
        """This agent as a member of the cluster."""
        return self.members(wide=False)[0]

    def members(self, *, wide: bool) -> list[dict[str, Any]]:
        """The members known; names between datacenters carry the datacenter."""
        config = self.config
        advertise = config.serf_wan_advertise if wide else config.serf_lan_advertise
        name = f"{config.node_name}.{config.datacenter}" if wide else config.node_name
        tags = {
            "acls": "0",
            "build": f"{COMPATIBLE}:{REVISION}",
            "dc": config.datacenter,
            "ft_fs": "1",
            "ft_si": "1",
            "id": self.node_id,
            "port": str(config.rpc_advertise.port),
            "raft_vsn": "3",
            "role": "consul",
            "segment": "",
            "vsn": "2",
            "vsn_max": "3",
            "vsn_min": "2",
        }
        if config.bootstrap or config.dev_mode:
            tags["bootstrap"] = "1"
        if not wide and config.serf_wan_addr is not None:
            tags["wan_join_port"] = str(config.serf_wan_addr.port)
        if advertise is None:
            return []
        return [
            {
                "Name": name,
                "Addr": advertise.host,
                "Port": advertise.port,
                "Tags": tags,
                "Status": 1,
                "ProtocolMin": 1,
                "ProtocolMax": 5,
                "ProtocolCur": 2,
                "DelegateMin": 2,
                "DelegateMax": 5,
                "DelegateCur": 4,
            }
        ]

    def stats(self) -> dict[str, dict[str, str]]:
        """Statistics by section; all values are text."""
        driver, config = self._driver, self.config
        services = self.local.services()
        checks = self.local.checks()
        ttl_count = sum(entry.check.type == "ttl" for entry in checks.values())
        gossip = {"members": "1", "failed": "0", "left": "0", "health_score": "0"}
        return {
            "agent": {
                "check_monitors": str(len(checks) - ttl_count),
                "check_ttls": str(ttl_count),
                "checks": str(len(checks)),
                "services": str(len(services)),
            },
            "build": {"prerelease": "", "revision": REVISION, "version": VERSION},
            "consul": {
                "acl": "disabled",
                "bootstrap": str(config.bootstrap or config.dev_mode).lower(),
                "known_datacenters": "1",
                "leader": "true",
                "leader_addr": self.leader_address,
                "server": str(config.server).lower(),
            },
            "raft": {
                "applied_index": str(driver.applied_index),
                "commit_index": str(driver.commit_index),
                "fsm_pending": "0",
                "last_contact": "0",
                "last_log_index": str(driver.last_index),
                "last_log_term": str(driver.term),
                "last_snapshot_index": str(driver.last_snapshot_index),
                "last_snapshot_term": str(driver.last_snapshot_term),
                "num_peers": "0",
                "protocol_version": "3",
                "protocol_version_max": "3",
                "protocol_version_min": "0",
                "snapshot_version_max": "1",
                "snapshot_version_min": "0",
                "state": "Leader",
                "term": str(driver.term),
            },
            "runtime": {
                "arch": platform.machine(),
                "cpu_count": str(_cpu_count()),
                "os": platform.system().lower(),
                "tasks": str(len(asyncio.all_tasks())),
                "version": f"python{sys.version.split()[0]}",
            },
            "serf_lan": gossip,
            "serf_wan": gossip,
        }

    # Membership.

    async def join(self, address: str, *, wide: bool) -> None:
        """Join another agent."""
        del wide
        raise CatalogError(f"Failed to join {address}: gossip is not part of this agent yet")

    async def force_leave(self, name: str, *, prune: bool) -> None:
        """Count a failed member as having left."""
        del prune
        if name.lower() not in {member["Name"].lower() for member in self.members(wide=False)}:
            raise CatalogError(f"agent: No node found with name '{name}'")

    def leave(self) -> None:
        """Leave the cluster and end the process, after the answer is sent."""
        self._on_leave()

    async def reload(self) -> None:
        """Read the configuration again. Raises Invalid and then has changed nothing."""
        await self._on_reload()

    # Events.

    def fire_event(self, event: UserEvent) -> None:
        """Send an event; this agent receives it too, if it concerns it. Raises Invalid."""
        check(event)
        ring = self.events
        ring.lamport_time += 1
        own = [entry.service for entry in self.local.services().values()]
        if concerns(event, self.config.node_name, own):
            ring.receive(msgspec.structs.replace(event, l_time=ring.lamport_time))

    # The mesh.

    async def leaf(self, service: str, *, token: str, min_index: int, wait_ns: int) -> Served:
        """A service's certificate and key; blocks while its index is not beyond ``min_index``."""
        wait_s = wait_s_of(wait_ns, self.config, self.rng)
        if self._leaves is None:
            self._leaves = self._make_leaves()
        return await self._leaves.get(service, token, min_index, wait_s)

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
