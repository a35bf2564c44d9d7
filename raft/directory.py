"""The directory of one server's log: one owner, no leftovers, and the operator's peers file.

Layout below ``directory``: ``wal/``, ``snapshots/``, ``peers.info`` and, when an operator wants to
recover from the loss of the other servers, ``peers.json``: an array of ``{"id", "address",
"non_voter"}``. ``peers.json`` counts only if ``peers.info`` was there before it; the first start
writes ``peers.info`` and deletes a stale ``peers.json``. Source: Consul's outage recovery guide.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from raft.entries import Configuration, Server
from raft.errors import DirectoryLocked, StorageError
from raft.files import Files

PEERS_INFO: Final = """\
This directory holds the log of one server. To recover a cluster that lost too many servers, stop
every remaining server, put the same peers.json beside this file on each of them, and start them:

  [{"id": "<node id>", "address": "<host>:<server port>", "non_voter": false}]

It is read once, at start, and then deleted.
"""


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One element of ``peers.json``."""

    id: str
    address: str
    non_voter: bool = False


class LogDirectory:
    """Holds an exclusive lock on ``path`` from ``__init__`` until ``close``.

    Raises ``DirectoryLocked`` when another owner has it, ``StorageError`` when it cannot be made.
    """

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self.wal = path / "wal"
        self.snapshots = path / "snapshots"
        self._files = files
        wanted = (*reversed(path.parents), path, self.wal, self.snapshots)
        try:
            for directory in [directory for directory in wanted if not directory.exists()]:
                directory.mkdir(mode=0o700)
                files.sync_directory(directory.parent)  # a lost name would lose all below it
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            message = f"the log directory {path} cannot be used: {error.strerror}"
            raise StorageError(message) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            message = f"another process is using the log directory {path}: stop it first"
            raise DirectoryLocked(message) from error
        for directory in (self.wal, self.snapshots):
            self._remove_unfinished(directory)

    def close(self) -> None:
        """Let another owner in."""
        os.close(self._descriptor)

    def settle_peers(self) -> Configuration | None:
        """Write ``peers.info`` on the first start; later, return what ``peers.json`` asks for."""
        notice = self.path / "peers.info"
        asked = self.path / "peers.json"
        if not notice.exists():
            asked.unlink(missing_ok=True)
            notice.write_text(PEERS_INFO)
            self._files.sync_directory(self.path)
            return None
        try:
            content = asked.read_bytes()
        except FileNotFoundError:
            return None
        try:
            peers = msgspec.json.decode(content, type=tuple[Peer, ...])
        except msgspec.DecodeError as error:
            message = f'{asked} is not an array of {{"id", "address", "non_voter"}}: {error}'
            raise StorageError(message) from error
        return Configuration(
            tuple(Server(1 if peer.non_voter else 0, peer.id, peer.address) for peer in peers)
        )

    def forget_peers(self) -> None:
        """Delete ``peers.json``: what it asked for is in the log."""
        (self.path / "peers.json").unlink(missing_ok=True)
        self._files.sync_directory(self.path)

    def _remove_unfinished(self, directory: Path) -> None:
        for path in directory.glob("*.tmp"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                self._files.unlink(path)
