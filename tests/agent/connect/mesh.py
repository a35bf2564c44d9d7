"""A server with the builtin authority, without disk, network or waiting."""

import asyncio
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

from agent.connect.authority import Authority
from agent.connect.leaf import Leaves
from agent.connect.secondary import Primary
from agent.http.call import Answer, Call, Query
from agent.http.front import Front
from agent.http.routes import ROUTES
from agent.http.settings import HttpSettings
from agent.rpc.router import Router
from agent.rpc.server import ServerContext
from catalog.apply import StateMachine
from catalog.duration import SECOND
from catalog.rows.connect import CARoots
from catalog.store import Store

NOW_S = 1_800_000_000.0
LIMITS = SimpleNamespace(default_query_time=5 * SECOND, max_query_time=10 * SECOND)


class Log:
    """Applies what is proposed at once."""

    def __init__(self, machine: StateMachine) -> None:
        self.machine = machine
        self.index = 0

    def submit(self, command: bytes, done: Callable[[int, object], None]) -> None:
        self.index += 1
        done(self.index, self.machine.apply(self.index, command))

    @property
    def applied_index(self) -> int:
        return self.index

    async def propose(self, command: bytes) -> tuple[int, object]:
        self.index += 1
        return self.index, self.machine.apply(self.index, command)


class Mesh:
    """The parts by name; ``now_s`` is moved by hand. ``close`` ends the background tasks."""

    def __init__(
        self, *, enabled: bool = True, datacenter: str = "dc1", primary: Primary | None = None
    ) -> None:
        self.now_s = NOW_S
        self.machine = StateMachine(lambda _effect: None)
        self.log = Log(self.machine)
        self.tasks: list[asyncio.Task[None]] = []
        self._ids = 0
        rng = Random(1)
        self.authority = Authority(
            store=self.store,
            log=self.log,
            datacenter=datacenter,
            now_s=lambda: self.now_s,
            new_uuid=self.new_uuid,
            primary=primary,
        )
        context = ServerContext(
            store=self.store,
            datacenter=datacenter,
            node_name="n1",
            timers=SimpleNamespace(),  # type: ignore[arg-type] # not used by the mesh
            rng=rng,
            new_uuid=self.new_uuid,
            now_s=lambda: self.now_s,
            session_ttl_min_ns=10 * SECOND,
            authority=self.authority if enabled else None,
        )
        self.router = Router(context, self.log, LIMITS)
        self.leaves = Leaves(
            self.router, datacenter, rng=rng, now_s=lambda: self.now_s, start_task=self.start_task
        )
        self.front = Front(
            router=self.router,
            routes=ROUTES,
            settings=HttpSettings(datacenter=datacenter, node_name="n1"),
            services=SimpleNamespace(leaf=self._leaf),
            record=lambda *_: None,
        )

    @property
    def store(self) -> Store:
        return self.machine.store

    def new_uuid(self) -> str:
        self._ids += 1
        return f"{self._ids:08x}-0000-0000-0000-000000000000"

    def start_task(self, name: str, work: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _leaf(self, service: str, *, token: str, min_index: int, wait_ns: int) -> Any:
        return await self.leaves.get(service, token, min_index, wait_ns / SECOND)

    async def roots(self) -> CARoots:
        return (await self.http("GET", "/v1/connect/ca/roots")).json  # type: ignore[return-value]

    async def http(self, method: str, target: str, body: bytes = b"") -> Answer:
        """The answer to an HTTP call; errors are answers too."""
        found, query = self.front.found(method, target)
        call = Call(self.front, method, target, Query(query.raw), {}, body, "127.0.0.1")
        return await self.front.answer(call, found)
