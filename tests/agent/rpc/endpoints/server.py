"""A server context for endpoints that are called directly."""

from types import SimpleNamespace
from typing import Any

from catalog.duration import SECOND
from catalog.store import Store

NEW_UUID = "11111111-2222-3333-4444-555555555555"


class Timers:
    """Lock-delays by key, and the renewals that were asked for."""

    def __init__(self) -> None:
        self.delayed: set[str] = set()
        self.renewed: list[tuple[str, str]] = []

    def lock_delayed(self, key: str) -> bool:
        return key in self.delayed

    def renew(self, session_id: str, ttl: str) -> None:
        self.renewed.append((session_id, ttl))


def make_server() -> Any:
    """What endpoints see of a server; ids are fixed and nothing is shuffled."""
    return SimpleNamespace(
        store=Store(),
        datacenter="dc1",
        node_name="node-a",
        timers=Timers(),
        rng=SimpleNamespace(random=lambda: 0.0, shuffle=lambda _: None),
        new_uuid=lambda: NEW_UUID,
        now_s=lambda: 1_800_000_000.0,
        session_ttl_min_ns=10 * SECOND,
        abroad=None,
    )
