"""Makes the mesh of an agent out of its parts.

    LocalState ─► proxies ─► claims (xDS) ─► own proxies ─► feed ─► workers
                   │ ▲                                         │
                   ▼ │                                         ▼
                  watch ─► sources ─► router, leaves          view ─► metrics, HTTP

Nothing here decides anything. An agent without proxies has none of this.
"""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

from agent.clock import monotonic_s
from agent.late_mesh import MESH_DIRECTORY, Surroundings
from agent.mesh.exposed_checks import ExposedChecks
from agent.mesh.feed_server import FeedServer
from agent.mesh.fetch import fetch_text
from agent.mesh.own_proxies import OwnProxies
from agent.mesh.proxies import Proxies
from agent.mesh.settings import Place, place_of, proxy_settings
from agent.mesh.view import View
from agent.mesh.watch import Watch
from agent.mesh.watch_sources import Sources
from agent.mesh.workers import Workers
from agent.mesh.xds.claims import Claims
from catalog.duration import SECOND

DRAIN_WAIT_S: Final = 15.0
"""A leaving agent's patience with streams; its workers drain to the end of their time, and end."""


class Mesh:
    """Every part of an agent's mesh, by name. ``data_dir`` None keeps nothing beyond the agent."""

    def __init__(self, agent: Surroundings, data_dir: Path | None) -> None:
        self._agent = agent
        self._temporary = None if data_dir else Path(tempfile.mkdtemp(prefix="proconsul-mesh-"))
        directory = data_dir / MESH_DIRECTORY if data_dir else self._temporary
        assert directory is not None
        tasks, rng = agent.tasks, agent.rng
        self.feed = FeedServer(directory / "feed.sock", tasks)
        self.workers = Workers(
            self.feed,
            tasks=tasks,
            rng=rng,
            count=agent.config.proxy.workers,
            outlives=data_dir is not None,
        )
        self.claims = Claims(OwnProxies(self.feed, self._is_own))
        self.sources = Sources(agent.router, agent.leaves, fetch_text)
        self.proxies = Proxies(
            agent.local_state,
            self.claims,
            self._place,
            ExposedChecks(agent.local_state, self._exposed_ports),
            start_task=tasks.start,
            now_s=monotonic_s,
        )
        self.watch = Watch(
            self.sources,
            start_task=tasks.start,
            rng=rng,
            now_s=monotonic_s,
            changed=self.proxies.changed,
        )
        self.view = View(self.feed, lambda: self.proxies.configs, monotonic_s)

    async def start(self) -> None:
        """Serve the proxies that are registered, and take back workers. Raises OSError."""
        await self.feed.start()
        self._agent.metrics.on_collect(self.view.collect)
        self.workers.start()
        self.proxies.start(self.watch)
        state = self._agent.local_state
        self.feed.keep_only(name for name in state.services if self._is_own(name))

    def apply(self) -> None:
        """Tell proxies again what depends on the agent's settings, which have changed."""
        self.proxies.tell_again()

    async def end(self) -> None:
        """Have what is open end in order, then end the workers and stop: the node has left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WAIT_S):
                await self.workers.stop(self._agent.config.proxy.drain_time / SECOND)
        await self.close()

    async def close(self) -> None:
        """Stop; workers that outlive the agent go on."""
        self.watch.close()
        await self.workers.close()
        await self.feed.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _place(self) -> Place:
        return place_of(self._agent.config, self._agent.coordinate())

    def _exposed_ports(self) -> range:
        ports = self._agent.config.ports
        return range(ports.expose_min_port, ports.expose_max_port + 1)

    def _is_own(self, proxy_id: str) -> bool:
        entry = self._agent.local_state.services.get(proxy_id)
        if entry is None or not self._agent.config.proxy.enabled:
            return False
        return proxy_settings(entry.service.proxy.config).managed
