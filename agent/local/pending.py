"""What the catalog does not know yet: the differences that the next sync has to write.

Output-only changes of a check may be deferred: they become differences when their time comes.
"""

from collections.abc import Callable
from typing import NamedTuple


class Gone(NamedTuple):
    """What was deregistered: the ID of its service, and the token that may remove it."""

    service_id: str
    token: str = ""


class Pending:
    """The out-of-sync parts of this node, by ID. ``on_change`` runs when there is work to do,
    now or at ``next_due_s``.
    """

    def __init__(self) -> None:
        self.node = True  # nothing is known of the catalog before the first full sync
        self.services: set[str] = set()
        self.checks: set[str] = set()
        self.gone_services: dict[str, Gone] = {}
        self.gone_checks: dict[str, Gone] = {}
        self.deferred: dict[str, float] = {}  # check ID to the time when its output is written
        self.on_change: Callable[[], None] = _nothing

    @property
    def is_empty(self) -> bool:
        """Whether the catalog is, as far as is known, as it should be."""
        return not (
            self.node or self.services or self.checks or self.gone_services or self.gone_checks
        )

    @property
    def next_due_s(self) -> float | None:
        """When the first deferred output is to be written; None without one."""
        return min(self.deferred.values(), default=None)

    def add_service(self, service_id: str) -> None:
        """The service was registered or changed."""
        self.gone_services.pop(service_id, None)
        self.services.add(service_id)
        self.on_change()

    def add_check(self, check_id: str) -> None:
        """The check was registered or changed in more than its output."""
        self.gone_checks.pop(check_id, None)
        self.deferred.pop(check_id, None)
        self.checks.add(check_id)
        self.on_change()

    def defer_check(self, check_id: str, until_s: float) -> None:
        """Only the check's output changed; an earlier deferral stands."""
        if check_id not in self.checks and check_id not in self.deferred:
            self.deferred[check_id] = until_s
            self.on_change()

    def remove_service(self, service_id: str, *, token: str = "") -> None:
        """The service was deregistered."""
        self.services.discard(service_id)
        self.gone_services[service_id] = Gone(service_id, token)
        self.on_change()

    def remove_check(self, check_id: str, service_id: str, *, token: str = "") -> None:
        """The check was deregistered."""
        self.checks.discard(check_id)
        self.deferred.pop(check_id, None)
        self.gone_checks[check_id] = Gone(service_id, token)
        self.on_change()

    def forget_checks_of(self, service_id: str) -> None:
        """The catalog removed the service, and with it the checks that are gone."""
        for check_id, gone in tuple(self.gone_checks.items()):
            if gone.service_id == service_id:
                del self.gone_checks[check_id]

    def release_due(self, now_s: float) -> None:
        """Turn the deferred outputs whose time has come into differences."""
        for check_id in [key for key, due_s in self.deferred.items() if due_s <= now_s]:
            del self.deferred[check_id]
            self.checks.add(check_id)


def _nothing() -> None:
    """Nobody syncs yet."""
