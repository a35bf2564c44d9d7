"""This node's services and checks: the truth that the catalog is made to follow.

Pure: time comes in as ``now_s``, randomness as ``rng``. Every real change is noted in ``pending``
for the sync and told to the subscribers; putting what is already there changes nothing.
Source: Consul's local state and its anti-entropy.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Literal, Protocol

import msgspec

from agent.checks.definition import CheckType
from agent.local.pending import Pending
from catalog.queries.service_config import ServiceConfig, merge
from catalog.rows.check import CRITICAL, HealthCheck
from catalog.rows.service import NodeService

Source = Literal["local", "remote"]
LOCAL: Final[Source] = "local"  # from a configuration file
REMOTE: Final[Source] = "remote"  # over the API

CHECK_UPDATE_INTERVAL_S: Final = 300.0  # Consul's check_update_interval

Listener = Callable[[str], None]
"""Called with the ID of the service that changed, itself or in its checks; "" for the node's."""


class Rng(Protocol):
    """The one call of random.Random that is used."""

    def random(self) -> float:
        """A number in [0, 1)."""


class LocalService(msgspec.Struct, frozen=True, kw_only=True):
    """A registered service. ``is_sidecar`` says that it came, and goes, with another.

    ``service`` is what the catalog gets and the API shows; where central configuration fills gaps,
    ``registered`` is what was registered.
    """

    service: NodeService
    token: str = ""
    source: Source = REMOTE
    is_sidecar: bool = False
    registered: NodeService | None = None

    @property
    def registration(self) -> NodeService:
        """The service as it was registered."""
        return self.registered or self.service


class LocalCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A registered check. Without a ``definition`` nothing runs it: maintenance modes.

    ``critical_since_s`` is a time of the monotonic clock; None while the check is not critical.
    """

    check: HealthCheck
    definition: CheckType | None = None
    token: str = ""
    source: Source = REMOTE
    critical_since_s: float | None = None


class LocalState:
    """The registrations of one node. ``check_update_interval_s`` 0 writes each output at once."""

    def __init__(
        self,
        *,
        rng: Rng,
        check_update_interval_s: float = CHECK_UPDATE_INTERVAL_S,
        discard_check_output: bool = False,
    ) -> None:
        self.pending = Pending()
        self.check_update_interval_s = check_update_interval_s
        self.discard_check_output = discard_check_output
        self.rng = rng
        self._services: dict[str, LocalService] = {}
        self._checks: dict[str, LocalCheck] = {}
        self._central: dict[str, ServiceConfig] = {}
        self._listeners: set[Listener] = set()

    @property
    def services(self) -> Mapping[str, LocalService]:
        """Every service by its ID."""
        return MappingProxyType(self._services)

    @property
    def checks(self) -> Mapping[str, LocalCheck]:
        """Every check by its ID."""
        return MappingProxyType(self._checks)

    def checks_of(self, service_id: str) -> list[HealthCheck]:
        """The checks of a service, or of the node itself for ``""``."""
        return [
            entry.check for entry in self._checks.values() if entry.check.service_id == service_id
        ]

    def local_checks(self) -> list[HealthCheck]:
        """Every check, for alias checks."""
        return [entry.check for entry in self._checks.values()]

    def has_local_service(self, service_id: str) -> bool:
        """Whether the service is registered, for alias checks."""
        return service_id in self._services

    def watch_local(self, service_id: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` when the service, its checks or the node's own checks change."""
        return self.subscribe(lambda of: changed() if of in {"", service_id} else None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` of every change until the returned function is called."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def put_service(self, entry: LocalService) -> None:
        """Register a service, or replace it."""
        service_id = entry.service.id
        before = self._services.get(service_id)
        config = self._central.get(service_id)
        if config is not None:
            registered = entry.registration
            entry = msgspec.structs.replace(
                entry, service=merge(registered, config), registered=registered
            )
        self._services[service_id] = entry
        # A registration may change and the merged form stay; those who follow it must know.
        is_same = (
            before is not None
            and (before.service, before.token) == (entry.service, entry.token)
            and before.registration == entry.registration
        )
        if not is_same:
            self.pending.add_service(service_id)
            self._tell(service_id)

    def set_central(self, service_id: str, config: ServiceConfig | None) -> None:
        """Take over the central configuration of a service; None when nothing governs it."""
        entry = self._services.get(service_id)
        if entry is None or self._central.get(service_id) == config:
            return
        if config is None:
            del self._central[service_id]
        else:
            self._central[service_id] = config
        self.put_service(
            msgspec.structs.replace(entry, service=entry.registration, registered=None)
        )

    def put_check(self, entry: LocalCheck, *, now_s: float) -> None:
        """Register a check, or replace it; the status is the one that ``entry`` has."""
        check_id = entry.check.check_id
        before = self._checks.get(check_id)
        entry = msgspec.structs.replace(
            entry, critical_since_s=_critical_since_s(entry.check.status, before, now_s)
        )
        self._checks[check_id] = entry
        if before is None or before.check != entry.check or before.token != entry.token:
            self.pending.add_check(check_id)
            self._tell(entry.check.service_id)

    def update_check(self, check_id: str, status: str, output: str, *, now_s: float) -> None:
        """Note a check's result. A new output alone reaches the catalog later, a status at once."""
        before = self._checks.get(check_id)
        if self.discard_check_output:
            output = ""
        if before is None or (before.check.status, before.check.output) == (status, output):
            return
        self._checks[check_id] = msgspec.structs.replace(
            before,
            check=msgspec.structs.replace(before.check, status=status, output=output),
            critical_since_s=_critical_since_s(status, before, now_s),
        )
        if before.check.status == status and self.check_update_interval_s > 0:
            # Half to one and a half intervals: a fleet's outputs do not arrive together.
            delay_s = self.check_update_interval_s * (0.5 + self.rng.random())
            self.pending.defer_check(check_id, now_s + delay_s)
        else:
            self.pending.add_check(check_id)
        self._tell(before.check.service_id)

    def adopt_tags(self, service_id: str, tags: tuple[str, ...] | None) -> None:
        """Take over the catalog's tags of a service that lets others set them."""
        entry = self._services[service_id]
        service = msgspec.structs.replace(entry.service, tags=tags)
        registered = entry.registered and msgspec.structs.replace(entry.registered, tags=tags)
        self._services[service_id] = msgspec.structs.replace(
            entry, service=service, registered=registered
        )
        self._tell(service_id)

    def remove_service(self, service_id: str) -> None:
        """Deregister a service with all its checks; nothing happens to an unknown one."""
        entry = self._services.pop(service_id, None)
        if entry is None:
            return
        self._central.pop(service_id, None)
        for check in self.checks_of(service_id):
            self.remove_check(check.check_id)
        self.pending.remove_service(service_id, token=entry.token)
        self._tell(service_id)

    def remove_check(self, check_id: str) -> None:
        """Deregister a check; nothing happens to an unknown one."""
        entry = self._checks.pop(check_id, None)
        if entry is not None:
            self.pending.remove_check(check_id, entry.check.service_id, token=entry.token)
            self._tell(entry.check.service_id)

    def _tell(self, service_id: str) -> None:
        for listener in tuple(self._listeners):
            listener(service_id)


def _critical_since_s(status: str, before: LocalCheck | None, now_s: float) -> float | None:
    if status != CRITICAL:
        return None
    if before is None or before.critical_since_s is None:
        return now_s
    return before.critical_since_s


def content_hash(service: NodeService) -> str:
    """Sixteen hexadecimal digits that differ when the registration does."""
    stripped = msgspec.structs.replace(service, create_index=0, modify_index=0)
    return blake2b(msgspec.json.encode(stripped, order="deterministic"), digest_size=8).hexdigest()
