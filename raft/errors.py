"""What can go wrong around the log, by who has to act.

``Refused`` reaches the proposer and changed nothing. ``StorageError`` reaches the operator: the
server does not start, or the process ends. Any other exception is a bug.
"""

from typing import final


class RaftError(Exception):
    """Every error this package raises on purpose."""


class Refused(RaftError):
    """A proposal or request was not taken; nothing of it was or will be applied."""


@final
class Overloaded(Refused):
    """More is waiting to become durable than the limits allow; try again later."""


@final
class TooLarge(Refused):
    """One command is larger than an entry may be."""

    def __init__(self, command_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"command of {command_bytes} bytes exceeds the limit of {limit_bytes}")
        self.command_bytes = command_bytes
        self.limit_bytes = limit_bytes


@final
class Stopped(Refused):
    """The log is not started, is stopping, or has failed."""


@final
class BadArchive(Refused):
    """A snapshot archive is damaged or not one; the message says where."""


@final
class SnapshotFailed(Refused):
    """A snapshot could not be written (disk full, I/O error); the log is kept and still works."""


class StorageError(RaftError):
    """The directory cannot be used; the message names it and says what to do."""


@final
class DirectoryLocked(StorageError):
    """Another process owns the directory."""


@final
class IdentityMismatch(StorageError):
    """The directory belongs to another server, or the server id is not a UUID."""


@final
class Corrupt(StorageError):
    """Data that was acknowledged is missing or damaged; starting would lose it silently."""


@final
class UnsupportedMembership(StorageError):
    """The configuration names other voters: a quorum of one must not decide for them."""
