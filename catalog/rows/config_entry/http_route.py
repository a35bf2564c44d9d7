"""http-route: sends requests of an API gateway's listener to services. Since 1.15."""

from typing import Any, Final, Self

import msgspec
from typing_extensions import override

from catalog.duration import Duration
from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.rows.config_entry.http_match import METHODS
from catalog.rows.config_entry.service_intentions import JWTRequirement
from catalog.rows.config_entry.service_router import (
    HeaderModifiers,
    validate_modifiers,
    validate_retry_on,
)
from catalog.rows.config_entry.tcp_route import RouteParent, validate_parents, with_kind
from catalog.schema import Omit, Row

HTTP_ROUTE: Final = "http-route"
HEADER_MATCHES: Final = ("exact", "prefix", "present", "regex", "suffix")
PATH_MATCHES: Final = ("exact", "prefix", "regex")
QUERY_MATCHES: Final = ("exact", "present", "regex")


class ValueMatch(Row, frozen=True, kw_only=True):
    """A condition on a header or a parameter; ``match`` is the way of comparing."""

    match: str = ""
    name: str = ""
    value: str = ""


class PathMatch(Row, frozen=True, kw_only=True):
    """A condition on the path."""

    match: str = ""
    value: str = ""


class HTTPMatch(Row, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    headers: tuple[ValueMatch, ...] | None = None
    method: str = ""
    path: PathMatch = PathMatch()
    query: tuple[ValueMatch, ...] | None = None


class URLRewrite(Row, frozen=True, kw_only=True):
    """What the matched part of the path becomes."""

    path: str = ""


class RetryFilter(Row, frozen=True, kw_only=True):
    """When a request is sent again."""

    num_retries: Omit[int] = 0
    retry_on: Omit[tuple[str, ...] | None] = None
    retry_on_status_codes: Omit[tuple[int, ...] | None] = None
    retry_on_connect_failure: Omit[bool] = False


class TimeoutFilter(Row, frozen=True, kw_only=True):
    """How long a request may take, and be silent."""

    request_timeout: Omit[Duration] = 0
    idle_timeout: Omit[Duration] = 0


class HTTPFilters(Row, frozen=True, kw_only=True):
    """What is done to requests on their way."""

    headers: tuple[HeaderModifiers, ...] | None = None
    url_rewrite: Omit[URLRewrite | None] = msgspec.field(default=None, name="URLRewrite")
    retry_filter: Omit[RetryFilter | None] = None
    timeout_filter: Omit[TimeoutFilter | None] = None
    jwt: Omit[JWTRequirement | None] = msgspec.field(default=None, name="JWT")


class ResponseFilters(Row, frozen=True, kw_only=True):
    """What is done to answers on their way."""

    headers: Omit[tuple[HeaderModifiers, ...] | None] = None


class HTTPRouteService(Row, frozen=True, kw_only=True):
    """A service and its share of the requests, relative to the other services'."""

    name: str = ""
    weight: int = 0
    filters: HTTPFilters = HTTPFilters()
    response_filters: Omit[ResponseFilters | None] = None


class HTTPRouteRule(Row, frozen=True, kw_only=True):
    """Requests that fit one of the matches, and where they go."""

    filters: HTTPFilters = HTTPFilters()
    response_filters: Omit[ResponseFilters | None] = None
    matches: tuple[HTTPMatch, ...] | None = None
    services: tuple[HTTPRouteService, ...] | None = None


class HTTPRoute(Entry, frozen=True, kw_only=True, tag=HTTP_ROUTE):
    """Rules for some host names of the gateway's listeners. ``status`` is read past."""

    parents: tuple[RouteParent, ...] | None = None
    rules: tuple[HTTPRouteRule, ...] | None = None
    hostnames: tuple[str, ...] | None = None
    status: Omit[dict[str, Any] | None] = None

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(
            self,
            parents=with_kind(self.parents),
            rules=self.rules and tuple(map(_normalized_rule, self.rules)),
            status=None,
        )

    @override
    def validate(self) -> None:
        super().validate()
        validate_parents(self.parents or ())
        for host in self.hostnames or ():
            if "*" in host.removeprefix("*."):
                message = (
                    f"host {quoted(host)} is not valid, a wildcard specifier is only allowed as "
                    "the left-most label"
                )
                raise Invalid(message)
        for number, rule in enumerate(self.rules or ()):
            _validate_rule(f"Rule[{number}]", rule)


def _normalized_rule(rule: HTTPRouteRule) -> HTTPRouteRule:
    matches = rule.matches or (HTTPMatch(),)
    return msgspec.structs.replace(
        rule,
        matches=tuple(
            msgspec.structs.replace(
                match,
                method=match.method.upper(),
                path=PathMatch(match=match.path.match or "prefix", value=match.path.value or "/"),
            )
            for match in matches
        ),
        services=rule.services
        and tuple(
            msgspec.structs.replace(service, weight=service.weight or 1)
            for service in rule.services
        ),
    )


def _validate_rule(place: str, rule: HTTPRouteRule) -> None:
    _validate_filters(place, rule.filters)
    for number, match in enumerate(rule.matches or ()):
        within = f"{place}.Match[{number}]"
        if match.method and match.method not in METHODS:
            message = f"{within}: Method contains an invalid method {quoted(match.method)}"
            raise Invalid(message)
        _refuse_match(f"{within}.Path", match.path.match, PATH_MATCHES)
        if match.path.match != "regex" and not match.path.value.startswith("/"):
            message = f"{within}.Path: value {quoted(match.path.value)} doesn't start with '/'"
            raise Invalid(message)
        for kind, conditions, allowed in (
            ("Header", match.headers, HEADER_MATCHES),
            ("Query", match.query, QUERY_MATCHES),
        ):
            for position, condition in enumerate(conditions or ()):
                _refuse_match(f"{within}.{kind}[{position}]", condition.match, allowed)
                if not condition.name:
                    message = f"{within}.{kind}[{position}]: missing required Name field"
                    raise Invalid(message)
    for number, service in enumerate(rule.services or ()):
        if not service.name:
            message = f"{place}.Service[{number}]: missing required Name field"
            raise Invalid(message)
        if service.weight < 0:
            message = f"{place}.Service[{number}]: Weight must be >= 0"
            raise Invalid(message)
        _validate_filters(f"{place}.Service[{number}]", service.filters)


def _refuse_match(place: str, match: str, allowed: tuple[str, ...]) -> None:
    if match not in allowed:
        message = f"{place}: match type should be one of {', '.join(allowed)}, not {quoted(match)}"
        raise Invalid(message)


def _validate_filters(place: str, filters: HTTPFilters) -> None:
    for number, modifiers in enumerate(filters.headers or ()):
        validate_modifiers(f"{place}: Headers[{number}]", modifiers)
    if filters.url_rewrite is not None and not filters.url_rewrite.path.startswith("/"):
        message = f"{place}: URLRewrite.Path doesn't start with '/'"
        raise Invalid(message)
    if filters.retry_filter is not None:
        retry = filters.retry_filter
        validate_retry_on(f"{place} ", retry.retry_on or (), retry.retry_on_status_codes or ())
        if retry.num_retries < 0:
            message = f"{place}: NumRetries must be >= 0"
            raise Invalid(message)
