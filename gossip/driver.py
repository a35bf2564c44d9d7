"""One node of a pool on a real network: what an agent holds and calls.

Life: ``start``; the operations; ``leave`` (optional, says goodbye); ``shutdown``. The rules are
``gossip.core``'s, the bytes ``gossip.wire``'s; ``gossip.engine`` runs them. Everything here runs
on one event loop.
Limits: ``JOIN_TARGETS_MAX``; those of streams, requests and packets stand in their modules.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from gossip.core.config import Config
from gossip.core.coordinates import Vivaldi
from gossip.core.effects import KeyringAnswer, QueryAnswer
from gossip.core.inputs import (
    Ask,
    ChangeKeyring,
    Event,
    ForceLeave,
    Join,
    JoinTarget,
    Leave,
    SendEvent,
    SetTags,
    Start,
)
from gossip.core.node import GossipNode
from gossip.core.policy import OpenPolicy, Policy
from gossip.core.snapshot import Replay, replay
from gossip.core.types import Address, Filter, Member
from gossip.drops import Drops
from gossip.endpoints import Endpoints, ip_text
from gossip.engine import UNATTENDED, Engine, Outside
from gossip.errors import GossipError, JoinError
from gossip.join_address import resolve
from gossip.keyring_file import first_keys
from gossip.requests import Outcome
from gossip.snapshot_file import SnapshotFile
from gossip.surroundings import Listener, Settings, SilentListener, Surroundings
from gossip.wire.envelope import Wrapping, packet_overhead_bytes
from gossip.wire.keyring import Keyring
from gossip.wire.payloads import WirePayloads

JOIN_TARGETS_MAX: Final = 1024  # addresses of one join, which are tried one after the other

NOT_RUNNING: Final = "the gossip node is not running"

_log = logging.getLogger("gossip")


class Gossip:
    """A node. ``config.address`` is what it announces; port 0 takes a free one."""

    def __init__(
        self,
        config: Config,
        settings: Settings,
        surroundings: Surroundings,
        *,
        listener: Listener | None = None,
        policy: Policy | None = None,
        endpoints: Endpoints | None = None,
    ) -> None:
        self._config = config
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start_task_outside = surroundings.start_task
        self._surroundings = msgspec.structs.replace(surroundings, start_task=self._start_task)
        self._listener = listener or SilentListener()
        self._policy = policy or OpenPolicy()
        self._endpoints = endpoints or Endpoints()
        self._drops = Drops(config.name, surroundings.monotonic_s)
        self._engine: Engine | None = None
        self._snapshot: SnapshotFile | None = None

    # --- life ---

    async def start(self) -> None:
        """Read the disk, bind, announce ourselves; the members of the last run are rejoined.

        Raises OSError when the address cannot be bound, KeyringFileError, and GossipError when
        the tags are too large.
        """
        assert self._engine is None, "a node starts once"
        host = self._settings.bind_host or ip_text(self._config.address.ip)
        try:
            keys = await self._first_keys()
            history = await self._read_snapshot()
            port = self._endpoints.open(host, self._config.address.port)
            self._engine = engine = self._assemble(keys, port, history)
            previous = [JoinTarget(place, name) for name, place in history.alive.items()]
            try:
                engine.handle(Start(UNATTENDED, tuple(previous)))
            except ValueError as error:
                raise GossipError(str(error)) from error
            self._endpoints.receive(engine.packet)
            serving = engine.streams.serve(engine.answer, self._config.tcp_timeout_s)
            self._start_task("gossip accept", serving)
        except BaseException:
            await self.shutdown()
            raise

    async def leave(self) -> None:
        """Say goodbye, and return when the others know (some seconds); then ``shutdown``.

        Raises GossipError when this node has left already.
        """
        await self._run(Leave)

    async def shutdown(self) -> None:
        """Stop at once, without a word to the others. Idempotent."""
        if self._engine is not None:
            self._engine.stop(NOT_RUNNING)
        ending = {task for task in self._tasks if task is not asyncio.current_task()}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        self._endpoints.close()
        if self._engine is not None:
            self._engine.streams.close()
        if self._snapshot is not None:
            snapshot, self._snapshot = self._snapshot, None
            await snapshot.close()

    # --- operations; each raises GossipError with the reason when it is refused ---

    async def join(self, addresses: Sequence[str], *, ignore_old_events: bool = True) -> int:
        """Join every ``[name/]host[:port]``; returns how many answered.

        The port is ours when none is given. Raises JoinError when there were addresses and none
        answered.
        """
        default_port = self.address.port
        targets: list[JoinTarget] = []
        failures: list[str] = []
        for text in addresses:
            try:
                targets += await resolve(text, default_port)
            except GossipError as error:
                failures.append(str(error))
        count = 0
        for target in targets[:JOIN_TARGETS_MAX]:
            command = partial(Join, targets=(target,), ignore_old_events=ignore_old_events)
            try:
                await self._run(command)
                count += 1
            except GossipError as error:
                failures.append(f"Failed to join {ip_text(target.address.ip)}: {error}")
        if failures and not count:
            raise JoinError(failures)
        for failure in failures:
            _log.warning("%s: %s", self._config.name, failure)
        return count

    async def user_event(self, name: str, payload: bytes, *, coalesce: bool = False) -> None:
        """Tell everybody; name and payload together have at most ``event_bytes_max`` bytes."""
        await self._run(partial(SendEvent, name=name, payload=payload, coalesce=coalesce))

    async def query(
        self,
        name: str,
        payload: bytes = b"",
        *,
        filters: tuple[Filter, ...] = (),
        timeout_s: float | None = None,
        want_ack: bool = False,
        relay_factor: int = 0,
    ) -> AsyncIterator[QueryAnswer]:
        """Ask everybody who passes ``filters``; yields acks and responses until time is over.

        ``timeout_s`` None is the pool's default, which grows with its size.
        """
        engine = self._running()
        request = engine.requests.open(is_query=True)
        try:
            engine.handle(Ask(request, name, payload, filters, timeout_s, want_ack, relay_factor))
            await engine.requests.outcome(request)
            while (answer := await engine.requests.next_answer(request)) is not None:
                yield answer
        finally:
            engine.requests.forget(request)

    async def force_leave(self, name: str, *, prune: bool = False) -> None:
        """Say for a failed member that it left; ``prune`` erases it."""
        await self._run(partial(ForceLeave, node=name, prune=prune))

    async def set_tags(self, tags: dict[str, str]) -> None:
        """Replace our tags; returns when everybody should know, or after some seconds."""
        await self._run(partial(SetTags, tags=tags))

    async def change_keyring(
        self, action: str, key: bytes = b"", *, relay_factor: int = 0
    ) -> KeyringAnswer:
        """Ask every member to ``install``, ``use`` or ``remove`` a key, or to ``list`` theirs.

        The answer counts who did; its ``error`` is empty when all did.
        """
        change = partial(ChangeKeyring, action=action, key=key, relay_factor=relay_factor)
        answer = await self._run(change)
        assert isinstance(answer, KeyringAnswer)
        return answer

    # --- to look at ---

    @property
    def address(self) -> Address:
        """Where the others reach us."""
        return self._running().node.config.address

    def members(self) -> tuple[Member, ...]:
        """All members, the failed and the left ones included, ourselves too."""
        return self._running().node.members

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keyring, primary first; empty without encryption. Secret."""
        return self._running().node.keys

    @property
    def coordinates(self) -> Vivaldi:
        """Our network coordinate and those last heard of the others; to look at only."""
        return self._running().node.coordinates

    @property
    def health_score(self) -> int:
        """0 is healthy; higher means that this node itself is slow or cut off."""
        return self._running().node.health_score

    @property
    def queue_depths(self) -> dict[str, int]:
        """Messages waiting in each broadcast queue."""
        return self._running().node.queue_depths

    @property
    def drop_counts(self) -> dict[str, int]:
        """How often what was dropped or looked wrong, by reason."""
        return dict(self._drops.counts)

    # --- assembly ---

    async def _first_keys(self) -> tuple[bytes, ...]:
        path, configured = self._settings.keyring_path, self._config.keys
        keys = await asyncio.to_thread(first_keys, path, configured)
        if configured and keys != configured:
            _log.warning("keyring %s exists: the configured key is not used", path)
        return keys

    async def _read_snapshot(self) -> Replay:
        path = self._settings.snapshot_path
        if path is None:
            return Replay(alive={})
        self._snapshot = SnapshotFile(path, partial(self._drops.count, "snapshot not written"))
        content = await self._snapshot.read()
        history = replay(content, rejoin_after_leave=self._config.rejoin_after_leave)
        if history.unreadable_count:
            count = history.unreadable_count
            _log.warning("snapshot %s: %d lines cannot be read", path, count)
        return history

    def _assemble(self, keys: tuple[bytes, ...], port: int, history: Replay) -> Engine:
        settings, surroundings = self._settings, self._surroundings
        wrapping = Wrapping(
            keyring=Keyring(*keys),
            label=settings.label,
            verify_incoming=settings.verify_incoming,
            verify_outgoing=settings.verify_outgoing,
            compression=settings.compression,
            packet_bytes_max=self._config.packet_bytes_max,
        )
        config = msgspec.structs.replace(
            self._config,
            address=Address(self._config.address.ip, port),
            keys=keys,
            packet_overhead_bytes=packet_overhead_bytes(wrapping),
            snapshot=self._snapshot is not None,
        )
        node = GossipNode(
            config,
            surroundings.rng,
            surroundings.monotonic_s(),
            payloads=WirePayloads(),
            policy=self._policy,
            history=history if self._snapshot is not None else None,
        )
        outside = Outside(
            endpoints=self._endpoints,
            keyring_path=settings.keyring_path,
            snapshot=self._snapshot,
            listener=self._listener,
            drops=self._drops,
        )
        return Engine(node, wrapping, outside, surroundings)

    def _start_task(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that ends with this node at the latest."""
        task = self._start_task_outside(name, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, command: Callable[[int], Event]) -> Outcome:
        """Give a command to the core and wait for its end."""
        engine = self._running()
        request = engine.requests.open()
        engine.handle(command(request))
        return await engine.requests.outcome(request)

    def _running(self) -> Engine:
        if self._engine is None:
            raise GossipError(NOT_RUNNING)
        return self._engine
