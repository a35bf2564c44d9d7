"""Who this node is: its id, kept in the data directory, and the lock that keeps others out."""

import fcntl
import os
import uuid
from pathlib import Path
from typing import IO

from catalog.uuids import is_uuid


class IdentityError(Exception):
    """The data directory cannot be used; the text is for the user."""


class DataDirectory:
    """A directory that this process alone uses, from ``open`` until it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Create the directory and take it. Raises IdentityError if another agent has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (self.path / "agent.lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise IdentityError(
                f"data_dir {self.path} is used by another agent that is running"
            ) from None
        except OSError as error:
            raise IdentityError(f"data_dir {self.path}: {error.strerror}") from None

    def node_id(self, given: str) -> str:
        """The node's id: given, else the one of an earlier start, else a new one. Kept."""
        file = self.path / "node-id"
        known = file.read_text(errors="replace").strip().lower() if file.exists() else ""
        if known and not is_uuid(known):
            raise IdentityError(f"{file} holds no UUID; restore or remove it")
        node_id = given.lower() or known or str(uuid.uuid4())
        if node_id != known:
            work = file.with_suffix(".tmp")
            work.write_text(node_id)
            work.chmod(0o600)
            os.replace(work, file)
        return node_id

    def close(self) -> None:
        """Leave the directory to others."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
