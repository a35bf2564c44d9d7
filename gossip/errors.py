"""What the driver tells its caller when something did not work, in words for an operator."""

from collections.abc import Sequence


class GossipError(Exception):
    """A request that the pool or this node refused, or a node that is shut down."""


class JoinError(GossipError):
    """No address could be joined; ``failures`` has one text for each that was tried."""

    def __init__(self, failures: Sequence[str]) -> None:
        self.failures = tuple(failures)
        count = len(self.failures)
        head = "1 error occurred:" if count == 1 else f"{count} errors occurred:"
        lines = "".join(f"\t* {failure}\n" for failure in self.failures)
        super().__init__(f"{head}\n{lines}\n")


class KeyringFileError(GossipError):
    """The keyring file cannot be used; the text names the file and what is wrong with it."""
