"""Keeps proxies and gateways of this node up to date with the config entries that govern them.

    LocalState ──changed──► CentralConfig ──one task a service──► blocking read of its configuration
        ▲                                                                   │
        └──────────────────── set_central(service, configuration) ──────────┘

The state merges the configuration into the registration; sync and API see the merged form.
Source: Consul, enable_central_service_config.
"""

import asyncio
from typing import NamedTuple

from agent.local.state import LocalService, LocalState
from agent.rpc.any_router import AnyRouter
from agent.rpc.endpoints.service_config import ServiceConfigGet
from agent.rpc.follow import follow
from agent.rpc.request import Reply
from agent.tasks import Tasks
from catalog.queries.service_config import Subject, subject_of


class _Followed(NamedTuple):
    """What is read for one service, on whose behalf, and the task that does."""

    subject: Subject
    token: str
    task: asyncio.Task[None]


class CentralConfig:
    """One follower for each service that central configuration governs."""

    def __init__(self, state: LocalState, router: AnyRouter, tasks: Tasks) -> None:
        self._state = state
        self._router = router
        self._tasks = tasks
        self._followed: dict[str, _Followed] = {}

    def start(self) -> None:
        """Follow what is registered now and whatever comes."""
        self._state.subscribe(self._changed)
        for service_id in self._state.services:
            self._changed(service_id)

    def _changed(self, service_id: str) -> None:
        """Start, replace or end the follower of a service, as its registration asks."""
        entry = self._state.services.get(service_id)
        subject = subject_of(entry.registration) if entry else None
        before = self._followed.get(service_id)
        if before is not None:
            if entry and (before.subject, before.token) == (subject, entry.token):
                return
            before.task.cancel()
            del self._followed[service_id]
            if entry is not None and subject is None:
                self._state.set_central(service_id, None)
        if entry is not None and subject is not None:
            task = self._tasks.start(f"central config of {service_id}", self._run(entry, subject))
            self._followed[service_id] = _Followed(subject, entry.token, task)

    async def _run(self, entry: LocalService, subject: Subject) -> None:
        async def ask(index: int) -> Reply:
            request = ServiceConfigGet(subject=subject, token=entry.token, min_index=index)
            return await self._router.call(request)

        service_id = entry.service.id
        async for reply in follow("service configuration", ask, self._state.rng):
            self._state.set_central(service_id, reply.value)
