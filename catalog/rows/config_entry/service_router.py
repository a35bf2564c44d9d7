"""service-router: sends requests of a service elsewhere by path, header, query or method."""

import re
from typing import Final, Self

import msgspec
from typing_extensions import override

from catalog.duration import Duration
from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted, refuse_enterprise
from catalog.rows.config_entry.http_match import (
    HeaderMatch,
    QueryParamMatch,
    upper,
    validate_headers,
    validate_methods,
    validate_paths,
    validate_regex,
)
from catalog.rows.config_entry.ranges import Range, duration, percent, validate_ranges
from catalog.schema import Omit, Row

SERVICE_ROUTER: Final = "service-router"
RETRY_CONDITIONS: Final = frozenset(
    {
        "5xx", "gateway-error", "reset", "connect-failure", "envoy-ratelimited", "retriable-4xx",
        "refused-stream", "cancelled", "deadline-exceeded", "internal", "resource-exhausted",
        "unavailable",
    }
)  # fmt: skip
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 §5.6.2
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110 §5.5
STATUS_MIN: Final = 100
"""The least status of HTTP (RFC 9110 §15)."""
STATUS_MAX: Final = 599
"""The greatest status that has a meaning."""


class RouteHTTPMatch(Row, frozen=True, kw_only=True):
    """Which requests a route takes; all conditions must hold."""

    path_exact: Omit[str] = ""
    path_prefix: Omit[str] = ""
    path_regex: Omit[str] = ""
    case_insensitive: Omit[bool] = False
    header: Omit[tuple[HeaderMatch, ...] | None] = None
    query_param: Omit[tuple[QueryParamMatch, ...] | None] = None
    methods: Omit[tuple[str, ...] | None] = None


class RouteMatch(Row, frozen=True, kw_only=True):
    """Conditions by protocol."""

    http: Omit[RouteHTTPMatch | None] = None


class HeaderModifiers(Row, frozen=True, kw_only=True):
    """Changes to headers on their way through. Since 1.10."""

    add: Omit[dict[str, str] | None] = None
    set: Omit[dict[str, str] | None] = None
    remove: Omit[tuple[str, ...] | None] = None


class RetryBackOff(Row, frozen=True, kw_only=True):
    """How long is waited between attempts, growing from one to the other; nanoseconds."""

    base_interval: Omit[Duration] = 0
    max_interval: Omit[Duration] = 0


class Mirror(Row, frozen=True, kw_only=True):
    """Where a copy of some requests goes; what it answers does not count.

    Copies are of ``percent`` of the requests (None: all), without those whose body is greater than
    ``body_bytes_max`` (0: the proxy's default).
    """

    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    percent: Omit[float | None] = None
    body_bytes_max: Omit[int] = 0


class Fault(Row, frozen=True, kw_only=True):
    """Trouble that is made on purpose: a delay, a status instead of the answer, or both.

    A percentage of None is all requests.
    """

    delay: Omit[Duration] = 0
    delay_percent: Omit[float | None] = None
    abort_status: Omit[int] = 0
    abort_percent: Omit[float | None] = None


class RateLimit(Row, frozen=True, kw_only=True):
    """Requests a second, and how many may come at once (0: as many)."""

    requests_per_second: Omit[int] = 0
    requests_max_burst: Omit[int] = 0


class RouteDestination(Row, frozen=True, kw_only=True):
    """Where a route leads; an empty ``service`` is the router's own. Timeouts are nanoseconds.

    The fields after ``response_headers`` are not Consul's.
    """

    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    namespace: Omit[str] = ""
    partition: Omit[str] = ""
    prefix_rewrite: Omit[str] = ""
    request_timeout: Omit[Duration] = 0
    idle_timeout: Omit[Duration] = 0
    num_retries: Omit[int] = 0
    retry_on_connect_failure: Omit[bool] = False
    retry_on: Omit[tuple[str, ...] | None] = None
    retry_on_status_codes: Omit[tuple[int, ...] | None] = None
    request_headers: Omit[HeaderModifiers | None] = None
    response_headers: Omit[HeaderModifiers | None] = None
    per_try_timeout: Omit[Duration] = 0
    retry_back_off: Omit[RetryBackOff | None] = None
    mirror: Omit[Mirror | None] = None
    fault: Omit[Fault | None] = None
    rate_limit: Omit[RateLimit | None] = None


class Route(Row, frozen=True, kw_only=True):
    """One route; without a match it takes everything."""

    match: Omit[RouteMatch | None] = None
    destination: Omit[RouteDestination | None] = None


class ServiceRouter(Entry, frozen=True, kw_only=True, tag=SERVICE_ROUTER):
    """Routes in the order in which they are tried; one to the service itself is always last."""

    routes: Omit[tuple[Route, ...] | None] = None

    @override
    def normalized(self) -> Self:
        routes = self.routes and tuple(map(_with_upper_methods, self.routes))
        return msgspec.structs.replace(self, routes=routes)

    @override
    def validate(self) -> None:
        super().validate()
        for number, route in enumerate(self.routes or ()):
            _validate_route(f"Route[{number}] ", route)


def _with_upper_methods(route: Route) -> Route:
    if route.match is None or route.match.http is None:
        return route
    http = msgspec.structs.replace(route.match.http, methods=upper(route.match.http.methods))
    return msgspec.structs.replace(route, match=msgspec.structs.replace(route.match, http=http))


def _validate_route(prefix: str, route: Route) -> None:
    http = (route.match and route.match.http) or RouteHTTPMatch()
    validate_paths(prefix, http.path_exact, http.path_prefix, http.path_regex, end="")
    validate_headers(prefix, http.header or (), end="")
    for number, parameter in enumerate(http.query_param or ()):
        if not parameter.name:
            message = f"{prefix}QueryParam[{number}] missing required Name field"
            raise Invalid(message)
        if sum(map(bool, (parameter.present, parameter.exact, parameter.regex))) != 1:
            message = (
                f"{prefix}QueryParam[{number}] should only contain one of Present, Exact, or Regex"
            )
            raise Invalid(message)
        validate_regex(f"{prefix}QueryParam[{number}].Regex", parameter.regex)
    validate_methods(prefix, http.methods or ())
    if route.destination is not None:
        _validate_destination(prefix, route.destination, http)


def _validate_destination(prefix: str, destination: RouteDestination, http: RouteHTTPMatch) -> None:
    if destination.prefix_rewrite and not (http.path_exact or http.path_prefix):
        message = (
            f"{prefix}cannot make use of PrefixRewrite without configuring either PathExact "
            "or PathPrefix"
        )
        raise Invalid(message)
    if destination.prefix_rewrite and not destination.prefix_rewrite.startswith("/"):
        message = f"{prefix}PrefixRewrite doesn't start with '/': "
        raise Invalid(message + quoted(destination.prefix_rewrite))
    refuse_enterprise(f"{prefix}Destination: ", partition=destination.partition)
    validate_modifiers(f"{prefix}RequestHeaders", destination.request_headers)
    validate_modifiers(f"{prefix}ResponseHeaders", destination.response_headers)
    validate_retry_on(prefix, destination.retry_on or (), destination.retry_on_status_codes or ())
    back_off = destination.retry_back_off or RetryBackOff()
    mirror = destination.mirror or Mirror()
    fault = destination.fault or Fault()
    limit = destination.rate_limit or RateLimit()
    validate_ranges(
        prefix,
        Range("NumRetries", destination.num_retries),
        duration("PerTryTimeout", destination.per_try_timeout),
        duration("RetryBackOff.BaseInterval", back_off.base_interval),
        duration("RetryBackOff.MaxInterval", back_off.max_interval),
        percent("Mirror.Percent", mirror.percent),
        Range("Mirror.BodyBytesMax", mirror.body_bytes_max),
        duration("Fault.Delay", fault.delay),
        percent("Fault.DelayPercent", fault.delay_percent),
        Range("Fault.AbortStatus", fault.abort_status or None, minimum=200, maximum=599),
        percent("Fault.AbortPercent", fault.abort_percent),
        Range("RateLimit.RequestsPerSecond", limit.requests_per_second),
        Range("RateLimit.RequestsMaxBurst", limit.requests_max_burst),
    )
    if 0 < back_off.max_interval < back_off.base_interval:
        message = f"{prefix}RetryBackOff.MaxInterval must be >= RetryBackOff.BaseInterval"
        raise Invalid(message)
    if destination.fault is not None and not (fault.delay or fault.abort_status):
        message = f"{prefix}Fault should contain Delay or AbortStatus"
        raise Invalid(message)
    if destination.rate_limit is not None and not limit.requests_per_second:
        message = f"{prefix}RateLimit.RequestsPerSecond must be > 0"
        raise Invalid(message)


def validate_modifiers(place: str, modifiers: HeaderModifiers | None) -> None:
    """Raise Invalid for a name that no header has, or a value that would end its line."""
    if modifiers is None:
        return
    for field, changes in (("Add", modifiers.add), ("Set", modifiers.set)):
        for name, value in (changes or {}).items():
            _validate_header_name(f"{place}.{field}", name)
            if not _HEADER_VALUE.fullmatch(value):
                message = f"{place}.{field}: value of {quoted(name)} has control characters"
                raise Invalid(message)
    for name in modifiers.remove or ():
        _validate_header_name(f"{place}.Remove", name)


def _validate_header_name(place: str, name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        message = f"{place}: {quoted(name)} is no name of a header"
        raise Invalid(message)


def validate_retry_on(
    prefix: str, conditions: tuple[str, ...], status_codes: tuple[int, ...]
) -> None:
    """Raise Invalid for a condition that no proxy knows, or a number that is no status."""
    for condition in conditions:
        if condition not in RETRY_CONDITIONS:
            message = f"{prefix}contains an invalid retry condition: {quoted(condition)}"
            raise Invalid(message)
    for code in status_codes:
        if not STATUS_MIN <= code <= STATUS_MAX:
            message = f"{prefix}RetryOnStatusCodes contains {code}, which is no HTTP status"
            raise Invalid(message)
