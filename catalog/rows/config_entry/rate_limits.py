"""How many requests an instance takes in; part of service-defaults. Since 1.17."""

from catalog.errors import Invalid
from catalog.rows.config_entry.http_match import validate_paths
from catalog.rows.config_entry.ranges import Range, validate_ranges
from catalog.schema import Omit, Row


class RateLimitRoute(Row, frozen=True, kw_only=True):
    """A limit for some paths; the first that matches replaces the one of the instance."""

    path_exact: Omit[str] = ""
    path_prefix: Omit[str] = ""
    path_regex: Omit[str] = ""
    requests_per_second: Omit[int] = 0
    requests_max_burst: Omit[int] = 0


class InstanceRateLimits(Row, frozen=True, kw_only=True):
    """What each instance takes; a burst of 0 is as many as a second's."""

    requests_per_second: Omit[int] = 0
    requests_max_burst: Omit[int] = 0
    routes: Omit[tuple[RateLimitRoute, ...] | None] = None


class RateLimits(Row, frozen=True, kw_only=True):
    """Limits of incoming requests. Since 1.17."""

    instance_level: InstanceRateLimits = InstanceRateLimits()


def validate_rate_limits(limits: RateLimits | None) -> None:
    """Raise Invalid for negative numbers, and for a route that is not about one path."""
    if limits is None:
        return
    instance = limits.instance_level
    place = "RateLimits.InstanceLevel"
    _validate_rate(f"{place}.", instance.requests_per_second, instance.requests_max_burst)
    for number, route in enumerate(instance.routes or ()):
        within = f"{place}.Routes[{number}]"
        paths = (route.path_exact, route.path_prefix, route.path_regex)
        validate_paths(f"{within} ", *paths, end="")
        if not any(paths):
            message = f"{within} should contain one of PathExact, PathPrefix, or PathRegex"
            raise Invalid(message)
        _validate_rate(f"{within}.", route.requests_per_second, route.requests_max_burst)


def _validate_rate(prefix: str, per_second: int, burst: int) -> None:
    validate_ranges(
        prefix, Range("RequestsPerSecond", per_second), Range("RequestsMaxBurst", burst)
    )
    if burst and not per_second:
        message = f"{prefix}RequestsMaxBurst needs RequestsPerSecond"
        raise Invalid(message)
