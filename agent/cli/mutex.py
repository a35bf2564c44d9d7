"""The lock recipe of Consul's client library: one key, held by one session.

Real clients hold the same keys, so flags and order are theirs. Source: surface.md §10.6.
"""

from typing import Final

from agent.cli import keys
from agent.cli.client import Client
from agent.cli.failure import Failure
from agent.cli.holding import LOCK_DELAY_RETRY_S, Deadline, waiting, watch_until
from agent.cli.session import Session

LOCK_FLAGS: Final = 0x2DDCCBC058A50C18  # marks a key as a lock; clients refuse other keys
_CONFLICT: Final = "Existing key does not match lock use"


class Mutex:
    """The lock ``key`` for ``session``."""

    def __init__(self, client: Client, key: str, session: Session, retries_max: int) -> None:
        self._client = client
        self._key = key
        self._session = session
        self._retries_max = retries_max

    def acquire(self, deadline: Deadline) -> bool:
        """Wait until the key is ours; False when the deadline passed first. Raises Failure."""
        index = 0
        while True:
            view = keys.read(self._client, self._key, waiting(index, deadline))
            holder = self._holder(view)
            if holder == self._session.id:
                return True
            index = view.index
            if not holder:
                if self._write("acquire"):
                    return True
                view = keys.read(self._client, self._key, [])
                index = view.index
                if not self._holder(view):
                    # Free, yet refused: the servers enforce the lock-delay of a lost session.
                    deadline.sleep(LOCK_DELAY_RETRY_S)
                    index = 0
            if deadline.passed():
                return False

    def _holder(self, view: keys.View) -> str:
        if not view.entries:
            return ""
        if view.entries[0].flags != LOCK_FLAGS:
            raise Failure(_CONFLICT)
        return view.entries[0].session

    def _write(self, operation: str) -> bool:
        query = [(operation, self._session.id), ("flags", str(LOCK_FLAGS))]
        return keys.write(self._client, self._key, b"", query)

    def await_loss(self) -> None:
        """Return when another session, or none, holds the key."""
        watch_until(self._still_held, self._retries_max)

    def _still_held(self, index: int) -> int | None:
        query = [("consistent", ""), *([("index", str(index))] if index else [])]
        view = keys.read(self._client, self._key, query)
        return view.index if self._holder(view) == self._session.id else None

    def release(self) -> None:
        """Let the next one hold the key."""
        self._write("release")

    def tidy(self) -> bool:
        """Delete the key unless it is held."""
        view = keys.read(self._client, self._key, [])
        if self._holder(view):
            return False
        if not view.entries:
            return True
        index = view.entries[0].modify_index
        return keys.delete(self._client, self._key, [("cas", str(index))])
