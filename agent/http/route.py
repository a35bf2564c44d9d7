"""What a route is, and how a path finds one.

A pattern is a literal path, or a prefix with one argument (``/v1/kv/{key}``) that takes the rest of
the path as it is, decoded once; it may have a suffix (``/v1/query/{id}/execute``). The longest
prefix wins. Source: the path rules of Consul's API.
"""

import posixpath
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from agent.http.call import Answer, Call
from agent.rpc.request import ReadRequest, Reply, Request


class Read(NamedTuple):
    """A read of the cluster: the request that a call makes, and how its reply is shown."""

    build: Callable[[Call], ReadRequest]
    show: Callable[[Call, Reply], Answer]


class Write(NamedTuple):
    """A write to the cluster."""

    build: Callable[[Call], Request]
    show: Callable[[Call, Reply], Answer]


class Local(NamedTuple):
    """What this agent answers by itself.

    ``run_now`` is the same without waiting, for the fast lane; it raises for what has to wait.
    """

    run: Callable[[Call], Awaitable[Answer]]
    run_now: Callable[[Call], Answer] | None = None


class Route(NamedTuple):
    """One method on one pattern.

    ``params`` are the names of the query parameters that it understands, for the documents made
    from the table. ``effective`` adds the X-Consul-Effective-Consistency header, ``cacheable``
    honours ``?cached``, and ``fast`` lets the fast lane answer.
    """

    method: str
    pattern: str
    action: Read | Write | Local
    summary: str
    params: tuple[str, ...] = ()
    body: Any = None
    effective: bool = False
    cacheable: bool = False
    fast: bool = False


class Found(NamedTuple):
    """The routes of a path by method, and the path's argument."""

    methods: dict[str, Route]
    argument: str
    name: str


class _Prefix(NamedTuple):
    name: str
    suffixes: dict[str, dict[str, Route]]


class Finder:
    """Finds routes by path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[str, dict[str, Route]] = {}
        self._prefix: dict[str, _Prefix] = {}
        for route in routes:
            head, brace, rest = route.pattern.partition("{")
            if not brace:
                self._literal.setdefault(head, {})[route.method] = route
                continue
            name, _, suffix = rest.partition("}")
            prefix = self._prefix.setdefault(head, _Prefix(name, {}))
            prefix.suffixes.setdefault(suffix, {})[route.method] = route

    def find(self, path: str) -> Found | None:
        """The routes of a decoded path; None if there are none."""
        methods = self._literal.get(path)
        if methods is not None:
            return Found(methods, "", "")
        end = len(path)
        while (slash := path.rfind("/", 0, end)) >= 0:
            prefix = self._prefix.get(path[: slash + 1])
            if prefix is not None:
                return self._match(prefix, path[slash + 1 :])
            end = slash
        return None

    def _match(self, prefix: _Prefix, argument: str) -> Found | None:
        for suffix, methods in prefix.suffixes.items():
            if suffix and argument.endswith(suffix):
                return Found(methods, argument[: -len(suffix)], prefix.name)
        methods = prefix.suffixes.get("", {})
        return Found(methods, argument, prefix.name) if methods else None

    def redirect(self, path: str, *, reading: bool) -> str | None:
        """Where a path without routes is found instead.

        A prefix without its slash gets it. A path that is not clean is sent to its clean form,
        for reads only: a redirected write would silently go elsewhere.
        """
        if path + "/" in self._prefix:
            return path + "/"
        clean = posixpath.normpath(path).replace("//", "/", 1)
        if path.endswith("/") and clean != "/":
            clean += "/"
        if reading and clean != path and self.find(clean) is not None:
            return clean
        return None
