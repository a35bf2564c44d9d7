"""Requests in numbers, and what `mesh explain` says of them, to hold the one against the other."""

import http.client
import math
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import grpc
import websockets

from tests.system.agent_process import LOOPBACK, AgentProcess, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_site import (
    CALL_TIMEOUT_S,
    REACH_WAIT_S,
    Answer,
    App,
    Sidecar,
    app,
    register,
    speak,
)

# Of 1,000 correct runs one fails by chance; 3.29 standard deviations to either side.
DEVIATIONS_MAX = 3.29
# What a client raises while the way to the backend is not there yet.
NOT_YET = (
    OSError,
    EOFError,
    AssertionError,
    http.client.HTTPException,
    grpc.RpcError,
    websockets.WebSocketException,
)
# One connection of HTTP/1.1 has one request open.
CONNECTIONS = 4


def spread(
    port: int,
    count: int,
    *,
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> Counter[str]:
    """Who served so many requests, by name; an answer that is not 200 counts as its status."""
    found: Counter[str] = Counter()
    lock = threading.Lock()

    def run(share: int) -> None:
        own = Counter(_ask_all(port, share, path, dict(headers or {})))
        with lock:
            found.update(own)

    shares = [
        count // connections + (number < count % connections) for number in range(connections)
    ]
    threads = [threading.Thread(target=run, args=(share,)) for share in shares if share]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _ask_all(port: int, count: int, path: str, headers: dict[str, str]) -> list[str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=CALL_TIMEOUT_S)
    served = []
    for _ in range(count):
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            is_good = answer.status == 200
            served.append(answer.headers.get("X-Served-By", "") if is_good else str(answer.status))
        except (OSError, http.client.HTTPException) as error:
            served.append(repr(error))
            connection.close()
    connection.close()
    return served


def assert_share(expected_percent: float, count: int, total: int) -> None:
    """A count that chance may give at this percentage of a total (binomial, 99.9 %)."""
    share = expected_percent / 100
    allowed = DEVIATIONS_MAX * math.sqrt(total * share * (1 - share))
    assert abs(count - total * share) <= allowed, f"{count} of {total} at {expected_percent} %"


def wait_answer(
    sidecar: Sidecar,
    upstream: str,
    wanted: Callable[[Answer], bool],
    path: str = "/",
    **options: Any,
) -> Answer:
    """The first answer that is as wanted: what is written to the catalog comes a moment later."""

    def ask() -> Answer | None:
        try:
            answer = sidecar.call(upstream, path, **options)
        except (OSError, http.client.HTTPException):
            return None
        return answer if wanted(answer) else None

    what = f"{sidecar.service} gets what it wants of {upstream}{path}"
    return wait_until(ask, timeout_s=REACH_WAIT_S, what=what)  # type: ignore[return-value]  # truthy


def linked(agents: Cluster, name: str, protocol: str, port: int, **options: Any) -> Sidecar:
    """``<name>-front`` on one agent, whose upstream ``<name>-back`` is on another one."""
    back, front = f"{name}-back", f"{name}-front"
    speak(agents.server, protocol, back, front)
    wait_open(register(agents.clients["two"], back, port, **options).port)
    return register(agents.clients["one"], front, 1, upstreams=[back])


def upstream_port(front: Sidecar) -> int:
    """The port of the only upstream."""
    (port,) = front.upstreams.values()
    return port


def wait_done(what: Callable[[], object]) -> None:
    """Do something again and again until it succeeds: the way to the backend is there then."""

    def is_done() -> bool:
        try:
            what()
        except (*NOT_YET, AssertionError):
            return False
        return True

    wait_until(is_done, timeout_s=REACH_WAIT_S, what="the way to the backend")


def wait_listens(front: Sidecar) -> None:
    """Return once the upstream's listener is there: some clients wait long after a refusal."""
    wait_open(upstream_port(front))


def wait_open(port: int) -> None:
    """Return once something listens at a port: who is dialled too early is set aside for long."""
    wait_done(lambda: socket.create_connection((LOOPBACK, port), 5).close())


@dataclass(frozen=True)
class Explained:
    """What `mesh explain` answered."""

    answer: Mapping[str, Any]

    @property
    def shares(self) -> dict[str, float]:
        """Percentages by cluster."""
        return {share["Cluster"]: share["Percent"] for share in self.answer["Shares"] or ()}

    @property
    def instances(self) -> set[str]:
        """The services (ids) that may be chosen, whichever share takes the request."""
        return {
            instance["ID"].rpartition("/")[2].removesuffix("-sidecar-proxy")
            for share in self.answer["Shares"] or ()
            for group in share["Groups"]
            if group["InUse"]
            for instance in group["Instances"]
            if instance["Usable"]
        }

    @property
    def route(self) -> Mapping[str, Any]:
        """The route that takes the request."""
        route: Mapping[str, Any] = self.answer["Route"]
        return route

    @property
    def allowed(self) -> bool:
        """Whether every share is allowed."""
        verdicts = [share.get("Verdict") for share in self.answer["Shares"]]
        return all(verdict is None or verdict["Allowed"] for verdict in verdicts)


def explain(
    agent: AgentProcess,
    source: str,
    destination: str,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Explained:
    """What an agent explains of a request."""
    question = [
        ("source", source),
        ("destination", destination),
        ("path", path),
        ("method", method),
        *(("header", f"{name}:{value}") for name, value in (headers or {}).items()),
    ]
    answer = agent.get(f"/v1/internal/mesh/explain?{urlencode(question)}")
    assert answer.status == 200, answer.body
    return Explained(answer.json)


@contextmanager
def instances(
    agents: Cluster, service: str, *definitions: Mapping[str, Any], protocol: str = "http"
) -> Iterator[list[App]]:
    """Instances ``<service>-0`` and so on over the agents in turn, each of which says its id.

    A definition holds options of `register`.
    """
    speak(agents.server, protocol, service)
    with ExitStack() as stack:
        made = []
        for number, definition in enumerate(definitions):
            back = stack.enter_context(app(f"{service}-{number}"))
            agent = agents.agents[number % len(agents.agents)]
            sidecar = register(agent, service, back.port, instance=back.name, **definition)
            if definition.get("config", {}).get("proconsul_managed", True):
                wait_open(sidecar.port)
            made.append(back)
        yield made


def caller(agents: Cluster, service: str, *upstreams: str | Mapping[str, Any]) -> Sidecar:
    """A service on the client ``one`` with these upstreams."""
    return register(agents.clients["one"], service, 1, upstreams=upstreams)


def wait_all(front: Sidecar, upstream: str, apps: Sequence[App], **options: Any) -> None:
    """Return once every one of these serves, and nobody else; options are those of `spread`."""
    names = {each.name for each in apps}
    last: Counter[str] = Counter()

    def are_serving() -> bool:
        last.clear()
        last.update(spread(front.upstreams[upstream], 4 * len(apps), **options))
        return set(last) == names

    try:
        wait_until(are_serving, timeout_s=REACH_WAIT_S)
    except TimeoutError:
        message = f"{front.service} is served by {dict(last)} and not by {sorted(names)}"
        raise AssertionError(message) from None
