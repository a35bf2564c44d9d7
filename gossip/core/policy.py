"""What the application may refuse, and what it may know better than the configuration."""

from collections.abc import Sequence
from typing import Protocol

from gossip.core.types import Address


class Candidate(Protocol):
    """A node about to be taken in: its name, address and tags."""

    @property
    def name(self) -> str:
        """The node's name."""
        ...

    @property
    def address(self) -> Address:
        """Where it listens."""
        ...

    @property
    def tags(self) -> dict[str, str]:
        """What it says of itself."""
        ...


class Policy(Protocol):
    """Asked on every alive message, and about all nodes of a push/pull before it is merged."""

    def refuse(self, candidates: Sequence[Candidate]) -> str:
        """Why these (never left, never ourselves) may not be members; empty when they may.

        One of a push/pull that has our name lives at another address.
        """
        ...

    def reconnect_timeout_s(self, tags: dict[str, str], default_s: float) -> float:
        """How long a failed member with these tags is kept before it is reaped."""
        ...


class OpenPolicy:
    """Takes everybody."""

    def refuse(self, _candidates: Sequence[Candidate]) -> str:
        """Nothing to say against anybody."""
        return ""

    def reconnect_timeout_s(self, _tags: dict[str, str], default_s: float) -> float:
        """The configured time."""
        return default_s
