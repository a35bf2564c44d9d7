"""The semaphore recipe of Consul's client library: at most ``limit`` holders of a prefix.

Each contender holds ``<prefix>/<session>``; the holders are listed in ``<prefix>/.lock``, which
is changed by check-and-set only. A holder whose contender key is gone counts no more.
Source: surface.md §10.6.
"""

import json
from typing import Final

from agent.cli import keys
from agent.cli.client import Client
from agent.cli.failure import Failure
from agent.cli.holding import Deadline, waiting, watch_until
from agent.cli.session import Session

SEMAPHORE_FLAGS: Final = 0xE0F69A2BAA414DE0  # marks keys of a semaphore; clients refuse others
_CONFLICT: Final = "Existing key does not match semaphore use"
_FLAGS_QUERY: Final = ("flags", str(SEMAPHORE_FLAGS))


class Semaphore:
    """One place among ``limit`` below ``prefix`` for ``session``."""

    def __init__(
        self, client: Client, prefix: str, session: Session, retries_max: int, *, limit: int
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._session = session
        self._retries_max = retries_max
        self._limit = limit
        self._lock_key = f"{prefix}/.lock"

    def acquire(self, deadline: Deadline) -> bool:
        """Wait until we are among the holders; False when the deadline passed first."""
        contender = self._contender_key()
        query = [("acquire", self._session.id), _FLAGS_QUERY]
        if not keys.write(self._client, contender, b"", query):
            raise Failure("failed to make contender entry")
        index = 0
        while True:
            view = self._read(waiting(index, deadline))
            holders = self._holders(view)
            if self._session.id in holders:
                return True
            if len(holders) < self._limit:
                index = 0  # a lost race is tried again at once
                if self._store(view, holders | {self._session.id}):
                    return True
            else:
                index = view.index
            if deadline.passed():
                return False

    def _contender_key(self) -> str:
        return f"{self._prefix}/{self._session.id}"

    def _read(self, query: list[tuple[str, str]]) -> keys.View:
        return keys.read(self._client, f"{self._prefix}/", [("recurse", ""), *query])

    def _lock_entry(self, view: keys.View) -> keys.Entry | None:
        for entry in view.entries:
            if entry.key == self._lock_key:
                if entry.flags != SEMAPHORE_FLAGS:
                    raise Failure(_CONFLICT)
                return entry
        return None

    def _holders(self, view: keys.View) -> set[str]:
        """Return the holders whose session lives. Raises Failure when the limit differs."""
        entry = self._lock_entry(view)
        if entry is None or not entry.value:
            return set()
        stored = json.loads(entry.value)
        if stored["Limit"] != self._limit:
            message = f"semaphore limit conflict (lock: {stored['Limit']}, local: {self._limit})"
            raise Failure(message)
        alive = {entry.session for entry in view.entries if entry.key != self._lock_key}
        return {holder for holder, held in stored["Holders"].items() if held} & alive

    def _store(self, view: keys.View, holders: set[str]) -> bool:
        entry = self._lock_entry(view)
        index = entry.modify_index if entry is not None else 0
        stored = {"Limit": self._limit, "Holders": dict.fromkeys(sorted(holders), True)}
        query = [("cas", str(index)), _FLAGS_QUERY]
        return keys.write(self._client, self._lock_key, json.dumps(stored).encode(), query)

    def await_loss(self) -> None:
        """Return when we are no longer among the holders."""
        watch_until(self._still_held, self._retries_max)

    def _still_held(self, index: int) -> int | None:
        view = self._read([("consistent", ""), *([("index", str(index))] if index else [])])
        return view.index if self._session.id in self._holders(view) else None

    def release(self) -> None:
        """Take us out of the holders and the contenders."""
        while True:
            view = self._read([])
            holders = self._holders(view)
            # Check-and-set fails only when another contender got ahead, so this ends.
            if self._session.id not in holders or self._store(view, holders - {self._session.id}):
                break
        keys.delete(self._client, self._contender_key(), [])

    def tidy(self) -> bool:
        """Delete the list of holders unless somebody is in it."""
        view = self._read([])
        entry = self._lock_entry(view)
        if self._holders(view):
            return False
        if entry is None:
            return True
        return keys.delete(self._client, self._lock_key, [("cas", str(entry.modify_index))])
