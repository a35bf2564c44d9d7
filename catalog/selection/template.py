"""Templates: one prepared query for every name that starts with its own.

Text within ``${ }`` in any string of the query's service is replaced: ``name.full``,
``name.prefix`` (the query's name), ``name.suffix`` (the rest), ``match(N)`` (a group of the regular
expression; 0 is all of it) and ``agent.segment``. ``$${`` stands for ``${``. A quoted string within
``${ }`` is itself.

Source: Consul, prepared query templates; this is the part of HIL that queries use.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from catalog.errors import Invalid
from catalog.patterns import PatternError, compile_pattern
from catalog.rows.query import TEMPLATE_NAME_PREFIX, PreparedQuery, QueryService

_VARIABLES: Final = ("name.full", "name.prefix", "name.suffix", "agent.segment")
_TOKEN: Final = re.compile(r"\$\$\{|\$\{")
_EXPRESSION: Final = re.compile(
    r"""\s*(?:(?P<variable>[A-Za-z_][\w.]*)\s*(?P<call>\(\s*(?P<number>-?\d+)\s*\))?"""
    r"""|"(?P<text>[^"\\]*)")\s*"""
)


class Names(msgspec.Struct, frozen=True):
    """What a rendering knows: the values of variables and the groups of the match."""

    variables: Mapping[str, str]
    groups: tuple[str, ...]


_Part: TypeAlias = str | Callable[[Names], str]


class Template:
    """A compiled template; ``render`` gives the query for a name."""

    def __init__(self, query: PreparedQuery, pattern: Any) -> None:
        self._query = query
        self._pattern = pattern
        self._texts: dict[str, tuple[_Part, ...]] = {}
        _replace_texts(query.service, self._compile)

    def _compile(self, path: str, text: str) -> str:
        self._texts[text] = _parts(text, path)
        return text

    def render(self, name: str, agent_segment: str = "") -> PreparedQuery:
        """The query for a name that was looked up, with all texts replaced."""
        prefix = self._query.name
        names = Names(
            {
                "name.full": name,
                "name.prefix": prefix,
                "name.suffix": name[len(prefix) :],
                "agent.segment": agent_segment,
            },
            self._groups(name),
        )

        def rendered(_path: str, text: str) -> str:
            return "".join(
                part if isinstance(part, str) else part(names) for part in self._texts[text]
            )

        service = _replace_texts(self._query.service, rendered)
        if self._query.template.remove_empty_tags and service.tags is not None:
            kept = tuple(tag for tag in service.tags if tag)
            service = msgspec.structs.replace(service, tags=kept)
        return msgspec.structs.replace(self._query, service=service)

    def _groups(self, name: str) -> tuple[str, ...]:
        found = None if self._pattern is None else self._pattern.search(name)
        if found is None:
            return ()
        return (found.group(0), *(group or "" for group in found.groups()))


def compile_template(query: PreparedQuery) -> Template:
    """The template of a query that is one.

    Raises Invalid for an unknown type, a bad regular expression or bad syntax within ``${ }``.
    """
    template = query.template
    if template.type != TEMPLATE_NAME_PREFIX:
        raise _refusal(f"Bad Template.Type '{template.type}'")
    pattern = None
    if template.regexp:
        try:
            pattern = compile_pattern(template.regexp)
        except PatternError as fault:
            raise _refusal(f"Bad Regexp: error parsing regexp: {fault}") from fault
    return Template(query, pattern)


def _refusal(reason: str) -> Invalid:
    return Invalid(f"failed compiling template: {reason}")


def _parts(text: str, path: str) -> tuple[_Part, ...]:
    """Literal text and the values between, in order."""
    parts: list[_Part] = []
    at = 0
    while (token := _TOKEN.search(text, at)) is not None:
        parts.append(text[at : token.start()])
        at = token.end()
        if token[0] == "$${":
            parts.append("${")
            continue
        expression = _EXPRESSION.match(text, at)
        end = expression.end() if expression else at
        if expression is None or text[end : end + 1] != "}":
            fault = "expected }" if end < len(text) else "expected expression, found end of text"
            raise _refusal(f"Bad format '{text}' in {path}: 1:{end + 1}: {fault}")
        try:
            parts.append(_value(expression))
        except ValueError as refused:
            raise _refusal(f"Bad format '{text}' in {path}: 1:{at + 1}: {refused}") from refused
        at = end + 1
    parts.append(text[at:])
    return tuple(part for part in parts if part != "")


def _value(expression: re.Match[str]) -> _Part:
    """The value of what stands within the braces. Raises ValueError for unknown names."""
    if expression["text"] is not None:
        return expression["text"]
    variable = expression["variable"]
    if expression["call"]:
        if variable != "match":
            reason = f"unknown function called: {variable}"
            raise ValueError(reason)
        number = int(expression["number"])
        return lambda names: names.groups[number] if 0 <= number < len(names.groups) else ""
    if variable not in _VARIABLES:
        reason = f"unknown variable accessed: {variable}"
        raise ValueError(reason)
    return lambda names: names.variables[variable]


def _replace_texts(service: QueryService, text: Callable[[str, str], str]) -> QueryService:
    """The service of a query with every text in it passed through a function of (path, text)."""

    def several(path: str, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if texts is None:
            return None
        return tuple(text(f"{path}[{number}]", item) for number, item in enumerate(texts))

    def mapped(path: str, texts: dict[str, str] | None) -> dict[str, str] | None:
        if texts is None:
            return None
        return {key: text(f"{path}[{key}]", item) for key, item in texts.items()}

    failover = msgspec.structs.replace(
        service.failover,
        datacenters=several("Service.Failover.Datacenters", service.failover.datacenters),
    )
    return msgspec.structs.replace(
        service,
        service=text("Service.Service", service.service),
        failover=failover,
        ignore_check_ids=several("Service.IgnoreCheckIDs", service.ignore_check_ids),
        near=text("Service.Near", service.near),
        tags=several("Service.Tags", service.tags),
        node_meta=mapped("Service.NodeMeta", service.node_meta),
        service_meta=mapped("Service.ServiceMeta", service.service_meta),
    )
