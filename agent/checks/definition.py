"""What a health check is: the fields of a registration, its type, and what makes it invalid.

One frozen value serves every type, as in the API; ``type_name`` says which type it is. Decoding
from JSON and configuration files belongs to the caller. Source: Consul API, /v1/agent/check.
"""

from typing import Final, Literal

import msgspec

TypeName = Literal[
    "grpc", "http", "ttl", "tcp", "udp", "alias", "docker", "script", "h2ping", "os_service"
]


class InvalidCheck(ValueError):
    """A check that cannot be run as defined; ``str()`` is the reason in the API's own words."""


class CheckType(msgspec.Struct, frozen=True, kw_only=True):
    """One check to run. Spans are nanoseconds, sizes are bytes; zero or empty means not set.

    ``status`` is the status before the first result, ``""`` for critical. ``header`` maps a name
    to its values. ``script_args`` is an argument vector: no shell takes part.
    """

    check_id: str = ""
    name: str = ""
    notes: str = ""
    status: str = ""
    service_id: str = ""
    token: str = ""

    script_args: tuple[str, ...] = ()
    http: str = ""
    header: dict[str, tuple[str, ...]] = {}
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    h2ping: str = ""
    h2ping_use_tls: bool = True
    os_service: str = ""
    docker_container_id: str = ""
    shell: str = ""
    alias_node: str = ""
    alias_service: str = ""
    tls_skip_verify: bool = False
    tls_server_name: str = ""

    interval_ns: int = 0
    timeout_ns: int = 0
    ttl_ns: int = 0
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after_ns: int = 0
    output_max_size: int = 0

    @property
    def type_name(self) -> TypeName:
        """The type that runs, where several are given: the first in Consul's order.

        A definition that names nothing at all counts as ``ttl``, the type that ``validate``
        then finds incomplete.
        """
        given: tuple[tuple[TypeName, object], ...] = (
            ("grpc", self.grpc),
            ("http", self.http),
            ("ttl", self.ttl_ns > 0),
            ("tcp", self.tcp),
            ("udp", self.udp),
            ("alias", self.is_alias),
            ("docker", self.script_args and self.docker_container_id),
            ("script", self.script_args),
            ("h2ping", self.h2ping),
            ("os_service", self.os_service),
        )
        return next((type_name for type_name, is_given in given if is_given), "ttl")

    @property
    def is_alias(self) -> bool:
        """Whether the check follows the health of another service or node."""
        return bool(self.alias_node or self.alias_service)

    @property
    def runs_at_intervals(self) -> bool:
        """Whether a field is given that is probed again and again."""
        return bool(
            self.script_args
            or self.http
            or self.tcp
            or self.udp
            or self.grpc
            or self.h2ping
            or self.os_service
        )

    def validate(self) -> None:
        """Raise ``InvalidCheck`` unless the check can run.

        The texts go out after ``Invalid check: `` and are matched on by clients. ``name``,
        ``check_id`` and ``status`` have other rules for each way to register, kept there.
        """
        reason = self._why_invalid()
        if reason:
            raise InvalidCheck(reason)

    def _why_invalid(self) -> str:
        for is_wrong, reason in (
            (self.interval_ns > 0 and self.ttl_ns > 0, INTERVAL_AND_TTL),
            (self.runs_at_intervals and self.interval_ns <= 0, INTERVAL_MISSING),
            (self.runs_at_intervals and self.is_alias, INTERVAL_ON_ALIAS),
            (self.is_alias and self.ttl_ns > 0, TTL_ON_ALIAS),
            (not self.runs_at_intervals and not self.is_alias and self.ttl_ns <= 0, TTL_MISSING),
            (self.output_max_size < 0, OUTPUT_SIZE_NEGATIVE),
            (self.failures_before_warning > self.failures_before_critical, WARNING_AFTER_CRITICAL),
        ):
            if is_wrong:
                return reason
        return ""


INTERVAL_AND_TTL: Final = "Interval and TTL cannot both be specified"
INTERVAL_MISSING: Final = "Interval must be > 0 for Script, HTTP, or TCP checks"
INTERVAL_ON_ALIAS: Final = "Interval cannot be set for Alias checks"
TTL_ON_ALIAS: Final = "TTL must be not be set for Alias checks"
TTL_MISSING: Final = "TTL must be > 0 for TTL checks"
OUTPUT_SIZE_NEGATIVE: Final = "MaxOutputMaxSize must be positive"
WARNING_AFTER_CRITICAL: Final = "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"
