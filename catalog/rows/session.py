"""Sessions. Source: Consul API, /v1/session."""

from typing import Final

from catalog.schema import Omit, Row

RELEASE: Final = "release"
DELETE: Final = "delete"
BEHAVIORS: Final = (RELEASE, DELETE)


class ServiceCheck(Row, frozen=True, kw_only=True):
    """A service check that a session is bound to."""

    id: str = ""
    namespace: str = ""


class Session(Row, frozen=True, kw_only=True):
    """A lease on keys. ``lock_delay`` is nanoseconds; ``ttl`` keeps the text that was given."""

    id: str
    name: str = ""
    node: str = ""
    lock_delay: int = 0
    behavior: str = RELEASE
    ttl: str = ""
    node_checks: tuple[str, ...] | None = None
    service_checks: tuple[ServiceCheck, ...] | None = None
    checks: Omit[tuple[str, ...] | None] = None
    create_index: int = 0
    modify_index: int = 0
