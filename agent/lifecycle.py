"""The agent's life: start in order, run until told to end, reload, stop in the reverse order."""

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from agent.compose import Agent, data_directory_of
from agent.config import ConfigError, RuntimeConfig, plan_reload
from agent.gauges import Gauges
from agent.http.tls import https_context
from agent.http.unix_sockets import unix_sockets
from agent.local.definitions import (
    CheckDefinition,
    ServiceDefinition,
    check_from_tree,
    service_from_tree,
)
from agent.local.errors import LocalFault
from agent.local.reaper import reap
from agent.membership.coordinates import send_coordinates
from agent.membership.join import join_once, join_plans, join_until_joined
from agent.rpc.endpoints.coordinate import CoordinateApply
from agent.rpc.security import Terms
from agent.settings import (
    dns_settings,
    http_settings,
    local_settings,
    name_filter,
)
from agent.telemetry.logs import LogHub
from agent.tls import TlsError
from agent.watches.definition import watches_of
from catalog.errors import CatalogError
from catalog.rows.node import Coordinate
from catalog.watch import index_key

GC_THRESHOLDS: Final = (50_000, 20, 100)  # young objects; young, and middle-aged, collections
# Consul's 15 s for a graceful end, and the wait of a server until another one votes in its place.
GRACEFUL_TIMEOUT_S: Final = 30.0
DEPARTURE_SPREAD_S: Final = 1.0
"""Until other agents' proxies know that this node has left, and send it nothing more."""

_log = structlog.get_logger("agent")


class ReloadRefused(CatalogError):
    """The new configuration was refused; nothing has changed."""


class Lifecycle:
    """Runs one agent. ``load`` reads the configuration anew, for a reload."""

    def __init__(
        self, config: RuntimeConfig, load: Callable[[], RuntimeConfig], log_hub: LogHub
    ) -> None:
        self._watches = watches_of(config.watches)  # a fault ends the start before it begins
        self._joins = join_plans(config)
        self._load = load
        self._log_hub = log_hub
        self._ended = asyncio.Event()
        self._leaving = False
        self._is_for_good = False
        self._anti_entropy: asyncio.Task[None] | None = None
        self.exit_code = 0
        self._reloading = asyncio.Lock()
        self._data_directory = data_directory_of(config)
        if self._data_directory is not None:
            self._data_directory.open()
        self.agent = Agent(
            config,
            data_directory=self._data_directory,
            log_hub=log_hub,
            on_leave=self._leave,
            on_reload=self.reload,
            on_fatal=_end_process,
        )

    async def run(self) -> None:
        """Start, wait for the end, stop. Raises OSError for an address that cannot be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            await self._start()
            _log.info("agent running", node=self.agent.config.node_name)
            await self._ended.wait()
        finally:
            try:
                async with asyncio.timeout(GRACEFUL_TIMEOUT_S):
                    await self._stop()
            except TimeoutError:
                _log.warning("ending without having stopped in time", limit_s=GRACEFUL_TIMEOUT_S)

    # Start and stop.

    async def _start(self) -> None:
        agent, config = self.agent, self.agent.config
        for warning in config.warnings:
            _log.warning(warning)
        agent.tasks.start("loop lag", agent.tasks.measure_lag())
        agent.runtime.start()
        agent.metrics.on_collect(Gauges(agent).collect)
        await agent.membership.start()
        if agent.server is not None:
            await agent.server.start()
            agent.sync.server_appeared()
            agent.membership.servers.subscribe(agent.sync.server_appeared)
        if agent.client is not None:
            agent.client.start()
            agent.membership.servers.subscribe(agent.sync.server_appeared)
        agent.local.start(*_definitions(config))
        if config.enable_central_service_config:
            agent.central_config.start()
        agent.late_mesh.watch_for_proxies()
        self._anti_entropy = agent.tasks.start("anti-entropy", agent.sync.run())
        agent.tasks.start("reaper", reap(agent.local))
        self._watch_own_rows()
        await self._listen()
        agent.watches.apply(self._watches)
        agent.remote_exec.start(agent.events, enabled=not config.disable_remote_exec)
        self._write_pid_file()
        if agent.server is not None:
            _spare_collections()
        await self._join()

    async def _join(self) -> None:
        """Join the agents that the configuration names, and tell the others where we are."""
        agent = self.agent
        for plan in self._joins:
            await join_once(plan, agent.membership)
            joining = join_until_joined(plan, agent.membership, on_exhausted=self._give_up)
            agent.tasks.start("retry join", joining)
        coordinates = send_coordinates(
            agent.config,
            own=lambda: agent.membership.coordinate,
            node_count=lambda: agent.membership.node_count,
            send=self._send_coordinate,
            rng=agent.rng,
        )
        agent.tasks.start("coordinates", coordinates)

    async def _send_coordinate(self, coordinate: Coordinate) -> None:
        await self.agent.router.call(CoordinateApply(coordinates=(coordinate,)))

    def _give_up(self, reason: CatalogError) -> None:
        _log.error("giving up", reason=str(reason))
        self.exit_code = 1
        self._ended.set()

    async def _listen(self) -> None:
        agent, config = self.agent, self.agent.config
        await agent.http.listen(config.http_addrs, unix=unix_sockets(config))
        if config.https_addrs:
            await agent.http.listen(config.https_addrs, tls=https_context(config))
        if config.connect.enabled or not config.server:
            await agent.door.listen(config.grpc_addrs)
        for place in config.dns_addrs:
            await agent.dns.start(place.host, place.port)

    def _watch_own_rows(self) -> None:
        """Tell the anti-entropy of every change of the catalog's tables, whoever made it."""
        keys = [index_key("services"), index_key("checks"), index_key("nodes")]

        def changed() -> None:
            self.agent.sync.catalog_changed()
            self.agent.router.watch(list(keys), changed)

        self.agent.router.watch(list(keys), changed)

    async def _stop(self) -> None:
        agent = self.agent
        _log.info("agent stopping")
        await agent.http.close()
        await agent.door.close()
        await agent.dns.close()
        agent.runner.stop_all()
        agent.runtime.stop()
        if agent.mesh is not None and not self._is_for_good:
            await agent.mesh.close()
        await self._stop_cluster()
        await agent.tasks.close()
        self._remove_pid_file()
        if self._data_directory is not None:
            self._data_directory.close()

    async def _stop_cluster(self) -> None:
        agent = self.agent
        if self._leaving:
            # A service that is written after the goodbye would bring the node back.
            if self._anti_entropy is not None:
                self._anti_entropy.cancel()
            if agent.server is not None:
                await agent.server.leave()
            await agent.membership.leave()
            if agent.server is not None:
                await agent.server.left()
        if self._is_for_good and agent.mesh is not None:
            await asyncio.sleep(DEPARTURE_SPREAD_S)
            await agent.mesh.end()
        if agent.client is not None:
            agent.client.stop()
        if agent.server is not None:
            await agent.server.stop()
        await agent.membership.shutdown()

    def _write_pid_file(self) -> None:
        if self.agent.config.pid_file:
            Path(self.agent.config.pid_file).write_text(f"{_process_id()}\n")

    def _remove_pid_file(self) -> None:
        if self.agent.config.pid_file:
            Path(self.agent.config.pid_file).unlink(missing_ok=True)

    def _leave(self) -> None:
        self._leaving = self._is_for_good = True
        # After the answer to whoever asked has left.
        asyncio.get_running_loop().call_later(0.1, self._ended.set)

    def _signalled(self, number: int) -> None:
        if self._ended.is_set():
            _log.warning("second signal, ending at once")
            _end_process(KeyboardInterrupt())
        _log.info("signal received", signal=signal.Signals(number).name)
        config = self.agent.config
        self._leaving = (
            config.leave_on_terminate
            if number == signal.SIGTERM
            else not config.skip_leave_on_interrupt
        )
        # A supervisor that restarts an agent terminates it: proxies go on meanwhile.
        self._is_for_good = self._leaving and number != signal.SIGTERM
        self._ended.set()

    # Reload.

    def _hang_up(self) -> None:
        self.agent.tasks.start("reload", self._reload_and_tell())

    async def _reload_and_tell(self) -> None:
        try:
            await self.reload()
        except CatalogError as error:
            _log.error("reload refused, nothing has changed", error=str(error))

    async def reload(self) -> None:
        """Read the configuration again, apply what can change live, say what cannot.

        All or nothing. Raises ReloadRefused.
        """
        async with self._reloading:
            agent = self.agent
            try:
                plan = plan_reload(agent.config, self._load())
                definitions = _definitions(plan.config)
                watches = watches_of(plan.config.watches)
                terms = Terms.of(plan.config)
                https = https_context(plan.config) if plan.config.https_addrs else None
                agent.local.settings = local_settings(plan.config)
                agent.local.reload(*definitions)
            except (ConfigError, LocalFault, TlsError, ValueError) as error:
                agent.local.settings = local_settings(agent.config)
                raise ReloadRefused(str(error)) from None
            agent.security.terms = terms
            if https is not None:
                await agent.http.renew_tls(https)
            self._apply(plan.config)
            agent.watches.apply(watches)
            _log.info("configuration reloaded", changed=list(plan.live))
            if plan.restart:
                _log.warning("changes that need a restart", keys=list(plan.restart))

    def _apply(self, config: RuntimeConfig) -> None:
        agent = self.agent
        agent.config = agent.services.config = config
        if agent.server is not None:
            agent.server.apply(config)
        if agent.client is not None:
            agent.client.apply(config)
        if agent.mesh is not None:
            agent.mesh.apply()
        agent.runner.reload_tls()
        agent.metrics.change_filter(name_filter(config))
        agent.front.apply_settings(http_settings(config))
        agent.http.settings_changed()
        agent.dns.reload(dns_settings(config))
        agent.local_state.discard_check_output = config.discard_check_output
        agent.sync.node_changed()
        self._log_hub.set_level(config.log_level)


def _definitions(
    config: RuntimeConfig,
) -> tuple[list[ServiceDefinition], list[CheckDefinition]]:
    services: list[Any] = list(config.services)
    checks: list[Any] = list(config.checks)
    return [service_from_tree(tree) for tree in services], [check_from_tree(c) for c in checks]


def _spare_collections() -> None:
    """Let the garbage collector leave alone what has come to stay.

    A collection walks all that is not frozen, in one piece: 30 ms for the modules alone, and with
    the usual thresholds once in a few thousand writes. Young garbage takes more memory for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _process_id() -> int:
    import os

    return os.getpid()


def _end_process(cause: BaseException) -> None:
    """End at once, without any clean-up that could hide or worsen the cause."""
    import os

    from raft.writer import EXIT_STORAGE_FAILED

    _log.critical("ending the process", cause=repr(cause))
    os._exit(EXIT_STORAGE_FAILED if isinstance(cause, OSError) else 1)
