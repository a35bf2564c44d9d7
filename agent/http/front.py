"""From a call to its answer: find the route, run it, turn errors into answers, add headers.

Both lanes of the server use it: ``answer`` for any call, ``answer_now`` for a read that the fast
lane may give at once.
"""

import ipaddress
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import structlog

from agent.answers import INTERNAL_ERROR, told
from agent.clock import monotonic_s
from agent.http.call import Answer, Call, HttpError, Query, percent_decode
from agent.http.encode import Rendered, render
from agent.http.route import Finder, Found, Local, Read, Route, Write
from agent.http.settings import HttpSettings
from agent.local.agent import LocalAgent
from agent.rpc.any_router import AnyRouter
from agent.rpc.cache import SeenReads
from agent.rpc.remote_router import NotLocal, RemoteRouter
from agent.rpc.request import Consistency, ReadRequest, Reply

_log = structlog.get_logger("agent.http")

_VARY: Final = ("Vary", "Accept-Encoding")
_WRITES: Final = {"PUT", "POST", "DELETE", "PATCH"}
_REGISTRATIONS: Final = ("/v1/agent/service/", "/v1/agent/check/", "/v1/agent/health/")
_NOT_FOUND: Final = Answer(status=404)

NO_HEADERS: Final[Mapping[str, str]] = {}


class Front:
    """The HTTP front door. ``services`` is what local handlers reach (see agent.compose)."""

    def __init__(
        self,
        *,
        router: AnyRouter,
        routes: tuple[Route, ...],
        settings: HttpSettings,
        services: Any,
        record: Callable[[str, str, float], None],
    ) -> None:
        self.router = router
        self.services = services
        self.finder = Finder(routes)
        self.record = record
        self.seen = SeenReads()
        self.apply_settings(settings)

    def apply_settings(self, settings: HttpSettings) -> None:
        """Use new settings from the next call on."""
        self.settings = settings
        self.datacenter = settings.datacenter
        self.node_name = settings.node_name
        self.kv_value_bytes_max = settings.kv_value_bytes_max
        self.common = [
            _VARY,
            *(("X-Consul-Translate-Addresses", "true"),) * settings.translate_wan_addresses,
            ("X-Consul-Default-ACL-Policy", settings.default_acl_policy),
            *settings.response_headers,
        ]

    @property
    def local(self) -> LocalAgent:
        """This node's own registrations."""
        local: LocalAgent = self.services.local
        return local

    # Finding the route.

    def found(self, method: str, target: str) -> tuple[Found, Query]:
        """The routes of a request target. Raises HttpError for paths that lead nowhere."""
        raw_path, _, raw_query = target.partition("?")
        try:
            path = percent_decode(raw_path)
        except ValueError as error:
            raise HttpError(400, f"Invalid path: {error}") from None
        if not path.isprintable() and self._refuses(path):
            raise HttpError(400, f"Invalid path: {_unprintable(path)}")
        found = self.finder.find(path)
        if found is None:
            location = self.finder.redirect(path, reading=method not in _WRITES)
            if location is None:
                raise HttpError(404)
            raise HttpError(301, "", {"Location": location})
        return found, Query(raw_query)

    def _refuses(self, path: str) -> bool:
        # What a body can register on this agent must be removable by its path too.
        return self.settings.refuse_unprintable and not path.startswith(_REGISTRATIONS)

    def route(self, found: Found, call: Call) -> Route | Answer:
        """The route of the call's method, or the answer when there is none."""
        route = found.methods.get(call.method)
        if route is not None:
            self._refuse_blocked(route, call)
            call.path = {found.name: found.argument}
            return route
        allow = {"Allow": "OPTIONS," + ",".join(found.methods)}
        if call.method == "OPTIONS":
            return Answer(headers=allow)
        text = f"method {call.method} not allowed"
        return Answer(status=405, text="" if call.method == "HEAD" else text, headers=allow)

    def _refuse_blocked(self, route: Route, call: Call) -> None:
        settings = self.settings
        if settings.block_endpoints:
            path = call.target.partition("?")[0]
            if path.startswith(tuple(settings.block_endpoints)):
                raise HttpError(403, "Endpoint is blocked by agent configuration")
        if settings.allow_write_from and route.method in _WRITES:
            source = ipaddress.ip_address(call.source_address or "127.0.0.1")
            if not any(source in network for network in settings.allow_write_from):
                raise HttpError(403, "Access is restricted")

    # Answering.

    async def answer(self, call: Call, found: Found) -> Answer:
        """The answer to any call; errors become answers here and nowhere else."""
        began_s = monotonic_s()
        try:
            route = self.route(found, call)
            if isinstance(route, Answer):
                return route
            answer = await self._run(route, call)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
            answer = self.refusal(error, call, found)
        if (known := found.methods.get(call.method)) is not None:
            self.record(known.method, known.pattern, monotonic_s() - began_s)
        return answer

    async def _run(self, route: Route, call: Call) -> Answer:
        match route.action:
            case Read():
                return await self._read(route, route.action, call)
            case Write():
                reply = await self.router.call(route.action.build(call))
                return route.action.show(call, reply)
            case Local():
                return await route.action.run(call)

    async def _read(self, route: Route, action: Read, call: Call) -> Answer:
        request = action.build(call)
        if route.cacheable and call.query.has("cached") and self.settings.use_cache:
            reply, cached = await self.read_cached(request, call)
        else:
            reply, cached = await self.router.call(request), {}
        return self._shown(route, call, request, reply, cached)

    async def read_cached(self, request: ReadRequest, call: Call) -> tuple[Reply, dict[str, str]]:
        """An answer that may be kept, and the headers that tell whether it was."""
        control = call.headers.get("Cache-Control", "")
        if isinstance(self.router, RemoteRouter) and self.router.cache is not None:
            return await self.router.cache.read(request, control)
        reply = await self.router.call(request)
        return reply, self.seen.headers(request, control)

    def answer_now(self, route: Route, call: Call) -> tuple[Answer, list[Hashable]]:
        """The answer to a read that does not block, and the watch keys of its content.

        No keys mean that it is not to be kept: the index of what does not exist moves with the
        writes of others, which nobody waits for. Raises NotLocal when it has to be waited for.
        """
        if isinstance(route.action, Local) and route.action.run_now is not None:
            return route.action.run_now(call), []
        request = _read_of(route).build(call)
        reply, read = self.router.read_now(request)
        return self._shown(route, call, request, reply), read.watched if read.is_settled else []

    def answer_soon(self, route: Route, call: Call, done: Callable[[Answer], None]) -> None:
        """Give ``done`` the answer to a read that does not block. Raises NotLocal."""
        request = _read_of(route).build(call)

        def replied(outcome: Reply | Exception) -> None:
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                answer = self._shown(route, call, request, outcome)
            except Exception as error:  # noqa: BLE001 - errors become answers here
                answer = self.refusal(error, call, self.found(call.method, call.target)[0])
            done(answer)

        self.router.read_soon(request, replied)

    def _shown(
        self,
        route: Route,
        call: Call,
        request: ReadRequest,
        reply: Reply,
        cached: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        headers = {**self.read_headers(route, request, reply), **cached}
        try:
            answer = _read_of(route).show(call, reply)
        except HttpError as error:
            # Clients wait for what does not exist yet: a refusal has an index too.
            error.headers.update(headers)
            raise
        return _with_headers(answer, headers)

    def read_headers(self, route: Route, request: ReadRequest, reply: Reply) -> dict[str, str]:
        """The headers by which clients follow reads."""
        headers = {
            "X-Consul-Index": str(reply.index),
            "X-Consul-KnownLeader": "true" if reply.known_leader else "false",
            "X-Consul-LastContact": str(reply.last_contact_ms),
        }
        if route.effective:
            consistency = request.consistency
            headers["X-Consul-Effective-Consistency"] = (
                "leader" if consistency is Consistency.DEFAULT else consistency.value
            )
        return headers

    def refusal(self, error: Exception, call: Call, found: Found | None) -> Answer:
        """The answer that tells a client of an error."""
        said = told(error)
        if said is None:
            _log.error("request failed", method=call.method, target=call.target, exc_info=error)
            said = INTERNAL_ERROR
        headers = error.headers if isinstance(error, HttpError) else {}
        route = found.methods.get(call.method) if found else None
        if route is not None and isinstance(route.action, Read):
            headers = {
                "X-Consul-Index": "1",
                "X-Consul-KnownLeader": "false",
                "X-Consul-LastContact": "0",
                **headers,
            }
        return Answer(status=said.status, text=said.text, headers=headers)

    def render(self, answer: Answer, call: Call) -> Rendered:
        """The answer's bytes for this caller."""
        return render(
            answer,
            self.common,
            pretty=self.settings.always_pretty or call.query.has("pretty"),
            gzip="gzip" in call.headers.get("Accept-Encoding", ""),
        )


def _read_of(route: Route) -> Read:
    """The action of a route that reads; NotLocal for what the fast lane cannot answer."""
    if not isinstance(route.action, Read):
        raise NotLocal
    return route.action


def _with_headers(answer: Answer, headers: dict[str, str]) -> Answer:
    return Answer(
        status=answer.status,
        json=answer.json,
        text=answer.text,
        body=answer.body,
        content_type=answer.content_type,
        headers={**headers, **answer.headers},
    )


def _unprintable(path: str) -> str:
    odd = next(character for character in path if not character.isprintable())
    return f"character U+{ord(odd):04X} is not printable"
