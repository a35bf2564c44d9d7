"""What a registration's opaque maps say: ``proxy.config`` and ``upstreams[].config``.

The maps come from HCL or JSON and from config entries, so keys have either spelling
(``connect_timeout_ms``, ``ConnectTimeoutMs``) and numbers may be text, as Consul takes them. A
value that cannot be read counts as not given: one bad key must not take a proxy off the network.
Source: Consul, proxy configuration and upstream configuration.
"""

from collections.abc import Mapping
from typing import Any, Final, cast, get_args

import msgspec

from agent.config import RuntimeConfig
from catalog.duration import MILLISECOND, SECOND, parse_duration
from catalog.errors import Invalid
from catalog.intentions import undecided
from catalog.rows.config_entry.upstream_defaults import PassiveHealthCheck
from catalog.rows.node import Coord
from proxy.api import CONNECT_TIMEOUT_S, HANDSHAKE_TIMEOUT_S, Outlier, Protocol

MANAGED_KEY: Final = "proconsul_managed"
"""``false`` in ``proxy.config`` leaves a proxy to whoever else carries its traffic."""

_PROTOCOLS: Final = frozenset(get_args(Protocol))


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where builds happen: what is the same for every proxy of an agent.

    ``default_allow`` is what no intention decides, ``default_reason`` says why. ``drain_s`` is how
    long connections of a changed or removed listener may go on. ``coordinate`` is this node's.
    ``domains`` are those of the DNS. ``central``: config entries fill the gaps of registrations.
    """

    node: str
    datacenter: str
    default_allow: bool = True
    default_reason: str = ""
    drain_s: float = 30.0
    coordinate: Coord | None = None
    domains: tuple[str, ...] = ()
    central: bool = True


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``proxy.config`` says; 0 and "" are "not given" where no default is named."""

    managed: bool = True
    protocol: Protocol = "tcp"
    bind_address: str = ""
    bind_port: int = 0
    local_connect_timeout_s: float = CONNECT_TIMEOUT_S
    local_request_timeout_s: float = 0.0
    local_idle_timeout_s: float = 0.0
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    connections_max: int = 0
    otlp_url: str = ""
    trace_sample_percent: float = 100.0


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How an upstream is dialled; None and 0 are "not given"."""

    protocol: str = ""
    connect_timeout_ns: int = 0
    connections_max: int | None = None
    pending_max: int | None = None
    requests_max: int | None = None
    outlier: Outlier = Outlier()
    retry_percent: float | None = None
    retry_per_second_min: float | None = None


def place_of(config: RuntimeConfig, coordinate: Coord | None) -> Place:
    """Where builds of this agent happen."""
    acl_policy = config.acl.default_policy if config.acl.enabled else ""
    decision = undecided(config.default_intention_policy, acl_policy)
    return Place(
        node=config.node_name,
        datacenter=config.datacenter,
        default_allow=decision.allowed,
        default_reason=decision.reason,
        drain_s=config.proxy.drain_time / SECOND,
        coordinate=coordinate,
        central=config.enable_central_service_config,
        domains=tuple(
            domain.removesuffix(".") for domain in (config.domain, config.alt_domain) if domain
        ),
    )


def proxy_settings(config: Mapping[str, Any] | None) -> ProxySettings:
    """The settings of a proxy."""
    given = Given(config)
    return ProxySettings(
        managed=given.flag(MANAGED_KEY, default=True),
        protocol=protocol_of(given.text("protocol")),
        bind_address=given.text("bind_address"),
        bind_port=given.whole("bind_port") or 0,
        local_connect_timeout_s=(given.number("local_connect_timeout_ms") or 0) / 1000
        or CONNECT_TIMEOUT_S,
        local_request_timeout_s=(given.number("local_request_timeout_ms") or 0) / 1000,
        local_idle_timeout_s=(given.number("local_idle_timeout_ms") or 0) / 1000,
        handshake_timeout_s=(given.number("handshake_timeout_ms") or 0) / 1000
        or HANDSHAKE_TIMEOUT_S,
        connections_max=given.whole("max_inbound_connections") or 0,
        otlp_url=given.text("otlp_url"),
        trace_sample_percent=_or(given.number("trace_sample_percent"), 100.0),
    )


def upstream_settings(*layers: Mapping[str, Any] | None) -> UpstreamSettings:
    """The settings of an upstream from maps, the weakest first."""
    given = Given(_laid_over(layers))
    limits, budget = given.inner("limits"), given.inner("retry_budget")
    return UpstreamSettings(
        protocol=given.text("protocol").lower(),
        connect_timeout_ns=(given.whole("connect_timeout_ms") or 0) * MILLISECOND,
        connections_max=limits.whole("max_connections"),
        pending_max=limits.whole("max_pending_requests"),
        requests_max=limits.whole("max_concurrent_requests"),
        outlier=outlier(given.inner("passive_health_check")),
        retry_percent=budget.number("percent"),
        retry_per_second_min=budget.number("min_per_second"),
    )


def outlier(given: "Given") -> Outlier:
    """When an instance is set aside; it is on with the proxy's defaults unless it is told else."""
    usual = Outlier()
    return Outlier(
        interval_s=given.seconds("interval") or usual.interval_s,
        failures_max=given.whole("max_failures") or usual.failures_max,
        enforcing_percent=_or(given.number("enforcing_consecutive5xx"), usual.enforcing_percent),
        ejected_percent_max=_or(given.number("max_ejection_percent"), usual.ejected_percent_max),
        ejection_s=given.seconds("base_ejection_time") or usual.ejection_s,
    )


def protocol_of(name: str) -> Protocol:
    """A protocol by its name; what is unknown is carried as bytes."""
    lower = name.lower()
    return cast("Protocol", lower) if lower in _PROTOCOLS else "tcp"


def outlier_of(row: PassiveHealthCheck) -> Outlier:
    """The same of a config entry's row."""
    return outlier(Given(msgspec.to_builtins(row)))


class Given:
    """A map whose keys have either spelling. None is "not given, or not readable"."""

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self._values = {_plain(key): value for key, value in (config or {}).items()}

    def text(self, key: str) -> str:
        """A text; empty if it is none."""
        value = self._values.get(_plain(key))
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float | None:
        """A number that is not negative."""
        value = self._values.get(_plain(key))
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except ValueError:
            return None
        return number if number >= 0 else None

    def whole(self, key: str) -> int | None:
        """A whole number that is not negative."""
        number = self.number(key)
        return None if number is None else int(number)

    def seconds(self, key: str) -> float | None:
        """A duration: a text as Go writes it, or nanoseconds."""
        value = self._values.get(_plain(key))
        if isinstance(value, str):
            try:
                return parse_duration(value) / SECOND
            except (Invalid, ValueError):
                return None
        number = self.number(key)
        return None if number is None else number / SECOND

    def flag(self, key: str, *, default: bool) -> bool:
        """A yes or no."""
        value = self._values.get(_plain(key))
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        return value if isinstance(value, bool) else default

    def inner(self, key: str) -> "Given":
        """A map within; HCL gives a block as a list of one."""
        value = self._values.get(_plain(key))
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        return Given(value if isinstance(value, Mapping) else None)


def _laid_over(layers: tuple[Mapping[str, Any] | None, ...]) -> dict[str, Any]:
    """One map of several: a later one's keys replace those of the ones before."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {_plain(key): value for key, value in (layer or {}).items() if value is not None}
    return merged


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _or(number: float | None, default: float) -> float:
    return default if number is None else number
