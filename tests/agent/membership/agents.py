"""Memberships on loopback for tests: ports of the kernel's choice, the short timers of -dev."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from agent.config import RuntimeConfig, load, parse_flags
from agent.config.addresses import Listen
from agent.membership.events import EventRing
from agent.membership.membership import Membership
from agent.tasks import Tasks
from catalog.rows.service import NodeService

LOOPBACK = "127.0.0.1"
ANY_PORT = Listen("tcp", LOOPBACK, 0)
WAIT_S = 15.0  # far longer than anything here takes; a hang ends as a failure
POLL_S = 0.02


def make_config(name: str = "node-a", *flags: str, **changes: Any) -> RuntimeConfig:
    """A -dev server's configuration, with gossip on any port; ``changes`` are of its fields."""
    argv = ["-dev", f"-node={name}", *flags]
    config = load(parse_flags(argv), interfaces=(), hostname=name)
    ports = {"serf_lan_addr": ANY_PORT, "serf_wan_addr": ANY_PORT}
    return msgspec.structs.replace(config, **ports | changes)


def make_client_config(name: str, **changes: Any) -> RuntimeConfig:
    """A client's."""
    return make_config(name, server=False, bootstrap=False, dev_mode=False, **changes)


class AnAgent:
    """A membership with what it fills."""

    def __init__(
        self,
        config: RuntimeConfig,
        *,
        node_id: str = "",
        data_dir: Path | None = None,
        services: tuple[NodeService, ...] = (),
    ) -> None:
        self.tasks = Tasks()
        self.ring = EventRing()
        self.name = config.node_name
        self.node_id = node_id or str(uuid.uuid5(uuid.NAMESPACE_DNS, config.node_name))
        self.membership = Membership(
            config,
            self.node_id,
            data_dir=data_dir,
            tasks=self.tasks,
            rng=Random(config.node_name),
            ring=self.ring,
            own_services=lambda: services,
        )

    def statuses(self, *, wide: bool = False) -> dict[str, int]:
        """Every member's status in the API's numbers."""
        return {m["Name"]: m["Status"] for m in self.membership.members(wide=wide)}

    async def stop(self) -> None:
        """End it without a word."""
        await self.membership.shutdown()
        await self.tasks.close()


@asynccontextmanager
async def running(*agents: AnAgent) -> AsyncIterator[None]:
    """Start these agents, let the others join the first, and stop all in the end."""
    try:
        for agent in agents:
            await agent.membership.start()
        first = agents[0].membership
        for agent in agents[1:]:
            await agent.membership.join([first.address()], wide=False)
            if agent.membership.has_wan and first.has_wan:
                await agent.membership.join([first.address(wide=True)], wide=True)
        names = {agent.name for agent in agents}
        await until(lambda: all(set(agent.statuses()) == names for agent in agents))
        yield
    finally:
        for agent in agents:
            await agent.stop()


async def until(holds: Callable[[], object]) -> None:
    """Wait until ``holds``."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - members have no event of their own
            await asyncio.sleep(POLL_S)
