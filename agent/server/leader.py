"""What the leading server does by itself: its own registration, session expiry, tombstones.

Source: Consul, leader duties. A member that is alive has its node and a passing ``serfHealth``; a
server has the service ``consul`` too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from agent.rpc.endpoints.session import SessionDestroy
from agent.rpc.router import Router
from agent.server.reconcile import consul_service, registration
from agent.server.sessions import SessionTimers
from agent.version import COMPATIBLE
from catalog.commands import AutopilotPut, Register, TombstonesReap, encode
from catalog.rows.node import Node
from catalog.rows.system import AutopilotConfiguration
from catalog.store import Store
from catalog.tables import AUTOPILOT, NODES, SESSIONS
from raft.errors import RaftError

TOMBSTONE_TTL_S: Final = 15 * 60  # Consul's: longer than any blocking query
TOMBSTONE_GRANULARITY_S: Final = 30  # deletions within this time are reaped together
RETRY_S: Final = 1.0  # a refused proposal is tried again

_log = structlog.get_logger("agent.server")


class Leader:
    """The duties, begun with ``start`` once this server leads.

    ``propose`` returns a command's result and raises RaftError.
    """

    def __init__(
        self,
        router: Router,
        propose: Callable[[bytes], Awaitable[object]],
        store: Store,
        timers: SessionTimers,
    ) -> None:
        self._router = router
        self._propose = propose
        self._store = store
        self._timers = timers

    async def start(self, node: Node, server_port: int, autopilot: AutopilotConfiguration) -> None:
        """Register this server, seed autopilot's configuration, start the sessions' clocks."""
        if self._store.get(AUTOPILOT, "") is None:
            await self._propose(encode(AutopilotPut(configuration=autopilot)))
        await self._propose(encode(self._registration(node, server_port)))
        self._timers.lead(self._store.all(SESSIONS))

    def _registration(self, node: Node, server_port: int) -> Register:
        known = self._store.get(NODES, node.node.lower())
        return registration(node, known, consul_service(server_port, version=COMPATIBLE))

    def end_session(self, session_id: str) -> None:
        """Propose the end of a session whose time is up; tried again until it is proposed."""

        def done(result: object) -> None:
            if isinstance(result, RaftError):
                retry(result)

        def retry(error: RaftError) -> None:
            _log.warning("session not ended yet", session=session_id, error=str(error))
            self._timers.retry(session_id, RETRY_S)

        try:
            self._router.submit(SessionDestroy(id=session_id), done)
        except RaftError as error:
            retry(error)

    async def reap_tombstones(self, last_index: Callable[[], int]) -> None:
        """Forget deletions once no blocking query can depend on them."""
        while True:
            index = last_index()
            await asyncio.sleep(TOMBSTONE_TTL_S)
            try:
                await self._propose(encode(TombstonesReap(index=index)))
            except RaftError as error:
                _log.warning("tombstones not reaped yet", error=str(error))
            await asyncio.sleep(TOMBSTONE_GRANULARITY_S)
