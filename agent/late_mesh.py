"""The mesh of an agent that may never need one: started with the first need.

What carries and configures proxies takes half a second to load and, with cryptography, 15 MiB. It
is needed from the first sidecar or gateway that is registered, and by whoever comes for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from agent.clock import monotonic_s
from agent.config import RuntimeConfig
from agent.late_import import import_late
from agent.local.state import LocalState
from agent.mesh.worker_process import is_any_alive
from agent.rpc.request import Reply, Request
from agent.tasks import Tasks
from agent.telemetry.metrics import Metrics
from catalog.rows.node import Coord
from catalog.rows.service import (
    KIND_API_GATEWAY,
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
)

if TYPE_CHECKING:
    from agent.connect.leaf import Leaves
    from agent.mesh.explain import Asked
    from agent.mesh.explain_answer import Explanation
    from agent.mesh.parts import Mesh
    from agent.mesh.xds.speaker import Speaker
    from proxy.connection import Handler

MESH_DIRECTORY: Final = "mesh"
"""Below the data directory: the socket of the feed, locks and logs of workers."""
PROXY_KINDS: Final = frozenset(
    {
        KIND_CONNECT_PROXY,
        KIND_INGRESS_GATEWAY,
        KIND_TERMINATING_GATEWAY,
        KIND_MESH_GATEWAY,
        KIND_API_GATEWAY,
    }
)


class Calls(Protocol):
    """The cluster."""

    async def call(self, request: Request) -> Reply:
        """Answer a request. Raises CatalogError or RpcError."""


class Random(Protocol):
    """The one call of random.Random that is used."""

    def random(self) -> float:
        """A number in [0, 1)."""


class Surroundings(Protocol):
    """What the mesh needs of the agent around it."""

    @property
    def config(self) -> RuntimeConfig:
        """The newest configuration."""

    @property
    def local_state(self) -> LocalState:
        """The registrations of this node."""

    @property
    def router(self) -> Calls:
        """The cluster."""

    @property
    def tasks(self) -> Tasks:
        """What starts tasks."""

    @property
    def rng(self) -> Random:
        """Chance."""

    @property
    def metrics(self) -> Metrics:
        """What is told about the agent."""

    def leaves(self) -> Leaves:
        """The certificates of this agent's services."""

    def coordinate(self) -> Coord:
        """This node's network coordinate."""


class LateMesh:
    """See the module. ``mesh`` is None until somebody needed it."""

    def __init__(self, agent: Surroundings, data_dir: Path | None) -> None:
        self.mesh: Mesh | None = None
        self._agent = agent
        self._data_dir = data_dir
        self._starting: asyncio.Task[Mesh] | None = None

    def watch_for_proxies(self) -> None:
        """Have a mesh as soon as a sidecar or a gateway is registered here."""
        config, state = self._agent.config, self._agent.local_state
        # A client is not told whether there is an authority: that is the servers' setting.
        if config.connect.enabled or not config.server:
            state.subscribe(self._registered)
            for service_id in state.services:
                self._registered(service_id)
            if self._has_workers():
                self._start()  # what they serve may be gone

    @property
    def is_needed(self) -> bool:
        """Whether it was started, or is about to be there."""
        return self._starting is not None

    async def needed(self) -> Mesh:
        """The mesh, which is started if it is not there."""
        return await asyncio.shield(self._start())

    async def feed_path(self) -> str:
        """Where workers are told what to serve."""
        return str((await self.needed()).feed.path)

    async def envoy_handlers(self) -> Callable[[], Handler]:
        """What speaks with an Envoy that runs in place of the own proxy."""
        mesh = await self.needed()
        speaker = await import_late(_load_speaker)
        agent = self._agent
        return speaker(
            mesh.claims, now_s=monotonic_s, random=agent.rng.random, start=agent.tasks.start
        ).handler

    async def explain(self, asked: Asked, token: str) -> Explanation:
        """Why a request between two services goes where it goes. Raises NotFound."""
        from agent.mesh.explain_gather import explain_request
        from agent.mesh.fetch import fetch_text
        from agent.mesh.settings import place_of
        from agent.mesh.watch_sources import Sources

        agent = self._agent
        return await explain_request(
            asked,
            Sources(agent.router, agent.leaves, fetch_text),
            token,
            place_of(agent.config, agent.coordinate()),
            self.mesh.proxies.configs if self.mesh else {},
        )

    def _has_workers(self) -> bool:
        """Whether workers of an earlier agent are still there."""
        if self._data_dir is None:
            return False
        locks = (self._data_dir / MESH_DIRECTORY).glob("worker-*.lock")
        return any(is_any_alive(lock) for lock in locks)

    def _registered(self, service_id: str) -> None:
        entry = self._agent.local_state.services.get(service_id)
        if entry is not None and entry.service.kind in PROXY_KINDS:
            self._start()

    def _start(self) -> asyncio.Task[Mesh]:
        if self._starting is None:
            self._starting = self._agent.tasks.start("mesh", self._make())
        return self._starting

    async def _make(self) -> Mesh:
        load = await import_late(_load_mesh)
        mesh = self.mesh = load(self._agent, self._data_dir)
        await mesh.start()
        return mesh


def _load_mesh() -> type[Mesh]:
    from agent.mesh.parts import Mesh

    return Mesh


def _load_speaker() -> type[Speaker]:
    # HTTP/2 and what is above it: for agents that Envoys come to.
    from agent.mesh.xds.speaker import Speaker

    return Speaker
