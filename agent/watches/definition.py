"""A watch as the configuration writes it: what it follows and what it runs.

Source: Consul, watches: the ``watches`` list of the agent's configuration.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from agent.config.tree import ConfigError
from agent.rpc.endpoints.catalog import ListNodes, ListServices
from agent.rpc.endpoints.connect import CARootsGet
from agent.rpc.endpoints.health import ChecksInState, HealthServiceNodes, ServiceChecks
from agent.rpc.endpoints.kv import KvGet, KvList
from agent.rpc.request import Consistency, ReadRequest
from catalog.duration import SECOND, parse_duration

SHELL: Final = "/bin/sh"
HTTP_TIMEOUT_NS: Final = 10 * SECOND  # Consul's default
_COMMON: Final = ("type", "datacenter", "token", "stale", "handler_type")
_HANDLER: Final = ("args", "handler", "http_handler_config")
_HTTP_OPTIONS: Final = ("path", "method", "header", "timeout", "tls_skip_verify")
_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
_FALSE: Final = ("0", "f", "F", "false", "FALSE", "False", "")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Follows a read; ``passing_only`` keeps the instances all of whose checks pass."""

    request: ReadRequest
    passing_only: bool = False


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Follows the user events of a name; empty for all."""

    name: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A command that gets the view on its standard input."""

    arguments: tuple[str, ...]


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """A request that gets the view as its body."""

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    timeout_ns: int = HTTP_TIMEOUT_NS
    tls_skip_verify: bool = False


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """One watch; equal ones do the same."""

    type: str
    source: Query | Events
    handler: Script | Http


def watches_of(trees: Sequence[Mapping[str, Any]]) -> list[Watch]:
    """The watches of a configuration. Raises ConfigError, naming the key."""
    return [_watch(_Fields(tree, f"watches[{number}]")) for number, tree in enumerate(trees)]


class _Fields:
    """The keys of one object, read by type; ``path`` is where it stands."""

    def __init__(self, tree: Mapping[str, Any], path: str) -> None:
        self._tree = tree
        self.path = path

    def fault(self, key: str, message: str) -> ConfigError:
        return ConfigError(message, path=f"{self.path}.{key}")

    def expect(self, *known: str) -> None:
        """Refuse any other key."""
        for key in self._tree:
            if key not in known:
                raise self.fault(key, f"unknown here; known are {', '.join(known)}")

    def text(self, key: str, default: str = "") -> str:
        value = self._tree.get(key, default)
        if not isinstance(value, str):
            raise self.fault(key, "must be a string")
        return value

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise self.fault(key, "must be set")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._tree.get(key, ())
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise self.fault(key, "must be a string or a list of strings")
        return tuple(value)

    def switch(self, key: str) -> bool:
        value = self._tree.get(key, False)
        if isinstance(value, bool):
            return value
        if value not in (*_TRUE, *_FALSE):
            raise self.fault(key, "must be true or false")
        return value in _TRUE

    def duration_ns(self, key: str, default_ns: int) -> int:
        text = self.text(key)
        if not text:
            return default_ns
        try:
            span_ns = parse_duration(text)
        except ValueError as error:
            raise self.fault(key, str(error)) from None
        if span_ns <= 0:
            raise self.fault(key, "must be positive")
        return span_ns

    def inner(self, key: str) -> "_Fields":
        return _Fields(self._block(key), f"{self.path}.{key}")

    def pairs(self, key: str) -> Iterator[tuple[str, str]]:
        """The pairs of a map from names to one or more values."""
        inner = self.inner(key)
        for name in inner._tree:
            for value in inner.texts(name):
                yield name, value

    def _block(self, key: str) -> Mapping[str, Any]:
        value = self._tree.get(key, {})
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # as HCL gives a block
        if not isinstance(value, Mapping):
            raise self.fault(key, "must be an object")
        return value


def _watch(fields: _Fields) -> Watch:
    kind = fields.text("type")
    if kind not in _SOURCES:
        raise fields.fault("type", f"must be one of {', '.join(_SOURCES)}")
    parameters, source = _SOURCES[kind]
    fields.expect(*_COMMON, *_HANDLER, *parameters)
    return Watch(type=kind, source=source(fields), handler=_handler(fields))


def _handler(fields: _Fields) -> Script | Http:
    match fields.text("handler_type", "script"):
        case "script":
            if shell_command := fields.text("handler"):
                return Script(arguments=(SHELL, "-c", shell_command))
            arguments = fields.texts("args")
            if not arguments:
                raise fields.fault("args", "must name the command to run")
            return Script(arguments=arguments)
        case "http":
            return _http(fields.inner("http_handler_config"))
        case _:
            raise fields.fault("handler_type", "must be script or http")


def _http(fields: _Fields) -> Http:
    fields.expect(*_HTTP_OPTIONS)
    url = fields.required("path")
    if not url.startswith(("http://", "https://")):
        raise fields.fault("path", "must be a URL with http:// or https://")
    return Http(
        url=url,
        method=fields.text("method") or "POST",
        headers=tuple(fields.pairs("header")),
        timeout_ns=fields.duration_ns("timeout", HTTP_TIMEOUT_NS),
        tls_skip_verify=fields.switch("tls_skip_verify"),
    )


def _options(fields: _Fields) -> dict[str, Any]:
    """What all reads have."""
    return {
        "datacenter": fields.text("datacenter"),
        "token": fields.text("token"),
        "consistency": Consistency.STALE if fields.switch("stale") else Consistency.DEFAULT,
    }


def _key(fields: _Fields) -> Query:
    return Query(request=KvGet(key=fields.required("key"), **_options(fields)))


def _key_prefix(fields: _Fields) -> Query:
    return Query(request=KvList(prefix=fields.required("prefix"), **_options(fields)))


def _service(fields: _Fields) -> Query:
    return Query(
        request=HealthServiceNodes(
            service=fields.required("service"), tags=fields.texts("tag"), **_options(fields)
        ),
        passing_only=fields.switch("passingonly"),
    )


def _checks(fields: _Fields) -> Query:
    service, state = fields.text("service"), fields.text("state")
    if service and state:
        raise fields.fault("state", "excludes service")
    if service:
        return Query(request=ServiceChecks(service=service, **_options(fields)))
    return Query(request=ChecksInState(state=state or "any", **_options(fields)))


_Source = Callable[[_Fields], Query | Events]

# What each type follows, and the keys that it has of its own.
_SOURCES: Final[dict[str, tuple[tuple[str, ...], _Source]]] = {
    "key": (("key",), _key),
    "keyprefix": (("prefix",), _key_prefix),
    "services": ((), lambda fields: Query(request=ListServices(**_options(fields)))),
    "nodes": ((), lambda fields: Query(request=ListNodes(**_options(fields)))),
    "service": (("service", "tag", "passingonly"), _service),
    "checks": (("service", "state"), _checks),
    "event": (("name",), lambda fields: Events(name=fields.text("name"))),
    "connect_roots": ((), lambda fields: Query(request=CARootsGet(**_options(fields)))),
}
