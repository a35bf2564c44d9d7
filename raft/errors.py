"""What can go wrong around the log, by who has to act.

``Refused`` reaches the proposer and changed nothing. ``OutcomeUnknown`` reaches him too, and means
that he must look. ``StorageError`` reaches the operator: the server does not start, or the process
ends. Any other exception is a bug.
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
class NotLeader(Refused):
    """Another server leads: ask ``leader_id`` at ``leader_address`` ("" when not known)."""

    def __init__(self, leader_id: str, leader_address: str) -> None:
        super().__init__("node is not the leader")
        self.leader_id = leader_id
        self.leader_address = leader_address


@final
class NoLeader(Refused):
    """No leader is known; an election may be under way."""

    def __init__(self) -> None:
        super().__init__("No cluster leader")


@final
class StaleTerm(Refused):
    """The proposal was meant for another term than the present one."""

    def __init__(self) -> None:
        super().__init__("leadership changed before the request arrived")


@final
class Transferring(Refused):
    """The leadership is on its way to another server; try again in a moment."""

    def __init__(self) -> None:
        super().__init__("leadership transfer in progress")


@final
class NotMember(Refused):
    """This server is no member of the cluster (any more)."""

    def __init__(self) -> None:
        super().__init__("this server is not a member of the cluster")


class MembershipRefused(Refused):
    """The membership was not changed; the message says why."""


@final
class MembershipBusy(MembershipRefused):
    """Not now: another change is under way, or the leader is too young. Try again."""


@final
class TransferFailed(RaftError):
    """The leadership was not handed over; the message says why."""


@final
class BadArchive(Refused):
    """A snapshot archive is damaged or not one; the message says where."""


@final
class SnapshotFailed(Refused):
    """A snapshot could not be written (disk full, I/O error); the log is kept and still works."""


@final
class OutcomeUnknown(RaftError):
    """The proposal was in the log but not known to be final: it may or may not be applied."""

    def __init__(self, reason: str = "leadership lost while committing log") -> None:
        super().__init__(reason)


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
