"""How requests are spread over the instances of a service; part of service-resolver."""

from typing import Final

from catalog.duration import Duration
from catalog.errors import Invalid
from catalog.rows.config_entry.entry import quoted
from catalog.rows.config_entry.ranges import Range, validate_ranges
from catalog.schema import Omit, Row

RING_HASH: Final = "ring_hash"
MAGLEV: Final = "maglev"
HASHING: Final = frozenset({RING_HASH, MAGLEV})
LEAST_REQUEST: Final = "least_request"
POLICIES: Final = (
    "", "random", "round_robin", LEAST_REQUEST, RING_HASH, MAGLEV, "peak_ewma", "weighted",
)  # fmt: skip
RING_SIZE_MAX: Final = 8 * 1024 * 1024
"""Entries of the largest ring that proxies make."""
COOKIE: Final = "cookie"
HASH_FIELDS: Final = ("", "header", COOKIE, "query_parameter")


class RingHashConfig(Row, frozen=True, kw_only=True):
    """Bounds of the ring's size."""

    minimum_ring_size: Omit[int] = 0
    maximum_ring_size: Omit[int] = 0


class LeastRequestConfig(Row, frozen=True, kw_only=True):
    """How many instances are compared."""

    choice_count: Omit[int] = 0


class CookieConfig(Row, frozen=True, kw_only=True):
    """The cookie that the proxy makes; ``ttl`` is nanoseconds."""

    session: Omit[bool] = False
    ttl: Omit[Duration] = 0
    path: Omit[str] = ""


class HashPolicy(Row, frozen=True, kw_only=True):
    """What of a request is hashed."""

    field: Omit[str] = ""
    field_value: Omit[str] = ""
    cookie_config: Omit[CookieConfig | None] = None
    source_ip: Omit[bool] = False
    terminal: Omit[bool] = False


class LoadBalancer(Row, frozen=True, kw_only=True):
    """A policy with its settings.

    The policies ``peak_ewma`` and ``weighted`` are not Consul's, nor is ``prefer_near``: near
    instances, by network coordinates, come before far ones.
    """

    policy: Omit[str] = ""
    ring_hash_config: Omit[RingHashConfig | None] = None
    least_request_config: Omit[LeastRequestConfig | None] = None
    hash_policies: Omit[tuple[HashPolicy, ...] | None] = None
    prefer_near: Omit[bool] = False


def validate_load_balancer(balancer: LoadBalancer) -> None:
    """Raise Invalid for an unknown policy or for settings of another one."""
    policy = quoted(balancer.policy)
    fault = ""
    if balancer.policy not in POLICIES:
        fault = f" policy: {policy} is not supported"
    elif balancer.ring_hash_config and balancer.policy != RING_HASH:
        fault = (
            " configuration. RingHashConfig specified for incompatible load balancing policy "
            f"{policy}"
        )
    elif balancer.least_request_config and balancer.policy != LEAST_REQUEST:
        fault = (
            " configuration. LeastRequestConfig specified for incompatible load balancing policy "
            f"{policy}"
        )
    elif balancer.hash_policies and balancer.policy not in HASHING:
        fault = f" configuration: HashPolicies specified for non-hash-based Policy: {policy}"
    if fault:
        raise Invalid(f"Bad LoadBalancer{fault}")
    _validate_sizes(balancer)
    for number, hashed in enumerate(balancer.hash_policies or ()):
        fault = _hash_fault(hashed)
        if fault:
            message = f"Bad LoadBalancer HashPolicy[{number}]: {fault}"
            raise Invalid(message)


def _validate_sizes(balancer: LoadBalancer) -> None:
    ring = balancer.ring_hash_config or RingHashConfig()
    least = balancer.least_request_config or LeastRequestConfig()
    validate_ranges(
        "Bad LoadBalancer ",
        Range("RingHashConfig.MinimumRingSize", ring.minimum_ring_size, maximum=RING_SIZE_MAX),
        Range("RingHashConfig.MaximumRingSize", ring.maximum_ring_size, maximum=RING_SIZE_MAX),
        Range("LeastRequestConfig.ChoiceCount", least.choice_count),
    )
    if 0 < ring.maximum_ring_size < ring.minimum_ring_size:
        message = "Bad LoadBalancer RingHashConfig: MaximumRingSize must be >= MinimumRingSize"
        raise Invalid(message)


def _hash_fault(hashed: HashPolicy) -> str:
    field = quoted(hashed.field)
    if hashed.field not in HASH_FIELDS:
        return f"{field} is not a supported field"
    if hashed.source_ip and hashed.field:
        return f"a single hash policy cannot hash both a source address and a {field}"
    if hashed.source_ip and hashed.field_value:
        return "A FieldValue cannot be specified when hashing SourceIP"
    if hashed.field and not hashed.field_value:
        return f"Field {field} was specified without a FieldValue"
    if hashed.field_value and not hashed.field:
        return "FieldValue requires a Field to apply to"
    if hashed.cookie_config and hashed.field != COOKIE:
        return f"cookie_config provided for {field}"
    if hashed.cookie_config and hashed.cookie_config.session and hashed.cookie_config.ttl:
        return "a session cookie cannot have an associated TTL"
    return ""
