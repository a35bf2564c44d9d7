"""Keeps the configuration of every proxy of this agent up to date.

    LocalState ──changed──┐
                          ├─► dirty proxies ─► build (pure) ─► feed.put, if it is another
    Watch ──news──────────┘                      └─► Watch.keep: what the build asked for

Bursts of changes are built once. A build that lacks a first answer is waited for a little, so that
a new part of a chain is not told before its instances are known.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import structlog
from msgspec.structs import replace

from agent.local.state import LocalState
from agent.mesh.exposed_checks import ExposedChecks
from agent.mesh.own_proxies import Feed
from agent.mesh.settings import Place, proxy_settings
from agent.mesh.snapshot import KINDS, Subject, build
from agent.mesh.watch import Watch
from proxy.api import ProxyConfig

COALESCE_S: Final = 0.01  # a burst's changes come within a few milliseconds of each other
BUILD_SHARE: Final = 4
"""A build of a large proxy is followed by a pause of so many times its length, for others."""
PAUSE_MAX_S: Final = 0.1  # a change is told within 200 ms, however large the proxy

_log = structlog.get_logger("agent.mesh")


class _Told(NamedTuple):
    """A configuration, and whether the registration leaves its proxy to the agent.

    ``managed`` None: that has to be told again.
    """

    config: ProxyConfig
    managed: bool | None


class Proxies:
    """See the module. ``place`` is asked for anew by each build; ``now_s`` is monotonic."""

    def __init__(
        self,
        state: LocalState,
        feed: Feed,
        place: Callable[[], Place],
        exposed: ExposedChecks,
        *,
        start_task: Callable[[str, Coroutine[Any, Any, None]], object],
        now_s: Callable[[], float],
    ) -> None:
        self._state = state
        self._feed = feed
        self._place = place
        self._exposed = exposed
        self._start_task = start_task
        self._now_s = now_s
        self._watch: Watch | None = None
        self._dirty: set[str] = set()
        self._woken = asyncio.Event()
        self._told: dict[str, _Told] = {}

    @property
    def configs(self) -> dict[str, ProxyConfig]:
        """What each proxy was told last."""
        return {name: told.config for name, told in self._told.items()}

    def start(self, watch: Watch) -> None:
        """Look after the proxies registered now, and whatever comes."""
        self._watch = watch
        self._state.subscribe(self._registered)
        self._dirty.update(self._state.services)
        self._woken.set()
        self._start_task("mesh proxies", self._run())

    def changed(self, proxies: frozenset[str]) -> None:
        """Build these again; the watch says so."""
        self._dirty |= proxies
        self._woken.set()

    def tell_again(self) -> None:
        """Build every proxy again, and tell it whatever came of it: settings have changed."""
        self._told = {name: told._replace(managed=None) for name, told in self._told.items()}
        self.changed(frozenset(self._told))

    def _registered(self, service_id: str) -> None:
        entry = self._state.services.get(service_id)
        if service_id in self._told or (entry is not None and entry.service.kind in KINDS):
            self.changed(frozenset({service_id}))
        exposing = self._exposing(service_id)
        if exposing:
            self.changed(exposing)

    def _exposing(self, service_id: str) -> frozenset[str]:
        """The proxies that expose the checks of a service."""
        return frozenset(
            name
            for name in self._told
            if (entry := self._state.services.get(name)) is not None
            and entry.service.proxy.expose.checks
            and entry.service.proxy.destination_service_id == service_id
        )

    async def _run(self) -> None:
        pause_s = COALESCE_S
        while True:
            await self._woken.wait()
            await asyncio.sleep(pause_s)
            self._woken.clear()
            begun_s = self._now_s()
            for proxy_id in sorted(self._dirty):
                self._dirty.discard(proxy_id)
                try:
                    self._renew(proxy_id)
                except Exception:  # noqa: BLE001 - one proxy's fault must not stop the others
                    _log.exception("proxy not configured", proxy=proxy_id)
                await asyncio.sleep(0)
            spent_s = self._now_s() - begun_s
            pause_s = min(max(COALESCE_S, BUILD_SHARE * spent_s), PAUSE_MAX_S)

    def _renew(self, proxy_id: str) -> None:
        """Build a proxy's configuration and tell it, or take the proxy away."""
        watch = self._watch
        assert watch is not None
        entry = self._state.services.get(proxy_id)
        if entry is None or entry.service.kind not in KINDS:
            watch.drop(proxy_id)
            self._exposed.forget(proxy_id)
            if self._told.pop(proxy_id, None) is not None:
                self._feed.remove(proxy_id)
                _log.info("proxy removed", proxy=proxy_id)
            return
        answers = watch.answers(entry.token)
        exposed = self._exposed.paths(entry.service)
        subject = Subject(registered=entry.registration, exposed=exposed)
        config = build(subject, self._place(), answers)
        watch.keep(proxy_id, entry.token, answers.asked)
        if config is None:
            return
        wait_s = watch.wait_s(proxy_id)
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self.changed, frozenset({proxy_id}))
            return
        managed = proxy_settings(entry.service.proxy.config).managed
        self._tell(_Told(replace(config, index=watch.index(proxy_id)), managed))

    def _tell(self, told: _Told) -> None:
        config = told.config
        before = self._told.get(config.id)
        if before is not None:
            same = replace(before.config, index=config.index)
            if before._replace(config=same) == told:
                return  # the catalog moved on, and what this proxy is told did not
        self._told[config.id] = told
        self._feed.put(config)
        _log.debug("proxy told", proxy=config.id, index=config.index)
