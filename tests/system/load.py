"""Clients of a key-value store that keep what they did: the history a verdict is made of.

Each client asks one server over one connection, as fast as a small pause lets it, and notes for
each call when it began, when it ended and what came of it. What a connection broke under, or the
server could not tell, has an unknown outcome. What was surely not taken is left out. Values of
registers are numbers that are written once, so a value stands for its ModifyIndex and the other
way round.

Kinds of work, each with a promise of its own:

    register  get, put, delete and compare-and-set of a few keys: linearizable
    unique    a key of its own for each write: there exactly when it was acknowledged
    counter   read, then compare-and-set to one more: no step lost or taken twice
    session   created by a name of its own: one session each, whatever was asked again inside
    stale     the counter as the server has it: it never goes back, and is never "not there"
"""

import base64
import contextlib
import http.client
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from typing_extensions import override

from tests.sim.raft.linearizability import Kind, Operation, Value
from tests.system.agent_process import AgentProcess

PREFIX: Final = "load/"
COUNTER: Final = f"{PREFIX}counter"
# The search for an order grows with the operations on a key: new keys each few seconds.
EPOCH_S: Final = 2.0
REGISTERS_PER_EPOCH: Final = 3
# Together some hundred calls a second: enough to meet every fault, and not to starve the servers.
PAUSE_S_MAX: Final = 0.03
# A client whose server is gone looks for it often enough to see an outage's end.
RECONNECT_PAUSE_S: Final = 0.05
# Longer than any answer may take, the hold time included.
ANSWER_TIMEOUT_S: Final = 20.0
# Answers that say that nothing was or will be done, beside those with status 429.
SURELY_NOT: Final = ("No cluster leader", "leadership transfer in progress")


class NotDone(Exception):
    """The call was surely not taken."""


class Unknown(Exception):
    """The call may have been taken."""


@dataclass(frozen=True)
class Acknowledged:
    """A write that was answered: monotonic seconds."""

    began_s: float
    ended_s: float
    server: str


@dataclass
class Tries:
    """What became of the writes of one kind, by what they wrote."""

    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


@dataclass
class History:
    """What all clients did together; appended to from their threads."""

    operations: list[Operation] = field(default_factory=list)
    writes: list[Acknowledged] = field(default_factory=list)
    unique: Tries = field(default_factory=Tries)
    sessions: Tries = field(default_factory=Tries)
    steps: list[int] = field(default_factory=list)  # values of the counter, acknowledged
    unknown_steps: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # promises seen broken on the way
    refusals: dict[str, int] = field(default_factory=dict)  # how often each answer was no success
    slowest_s: float = 0.0
    slowest: str = ""  # which call that was, when, and what came of it
    calls: int = 0
    ticks: "itertools.count[int]" = field(default_factory=itertools.count)
    values: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class Client(threading.Thread):
    """One client of one server, until ``stop`` is set."""

    def __init__(
        self,
        server: str,
        agent: AgentProcess,
        history: History,
        *,
        rng: Random,
        stop: threading.Event,
        began_s: float,
    ) -> None:
        super().__init__(name=f"client of {server}", daemon=True)
        self.server, self.agent, self.history = server, agent, history
        self.rng, self.stop, self.began_s = rng, stop, began_s
        self.connection: http.client.HTTPConnection | None = None
        self.known: dict[str, tuple[Value, int]] = {}  # register to its value and ModifyIndex
        self.stale_count = 0  # of the counter, through this connection
        self.is_unknown = False  # whether the last call may have been taken
        self.works: list[tuple[int, Callable[[], None]]] = [
            (25, self.get),
            (20, self.put),
            (20, self.compare_and_set),
            (5, self.delete),
            (15, self.unique),
            (8, self.step),
            (5, self.stale),
            (2, self.session),
        ]

    @override
    def run(self) -> None:
        weights, works = zip(*self.works, strict=True)
        while not self.stop.is_set():
            # Noted where it happened; the next call is another one.
            with contextlib.suppress(NotDone, Unknown):
                self.rng.choices(works, weights)[0]()
            self.stop.wait(self.rng.uniform(0, PAUSE_S_MAX))
        self.leave()

    # Kinds of work.

    def get(self) -> None:
        key = self.register()
        mode = self.rng.choice(["", "", "?consistent"])
        call = next(self.history.ticks)
        status, body = self.ask("GET", f"{key}{mode}")
        returned = next(self.history.ticks)
        row = json.loads(body)[0] if status == 200 else None
        value = int(base64.b64decode(row["Value"])) if row else None
        self.known[key] = (value, row["ModifyIndex"] if row else 0)
        operation = Operation(call=call, returned=returned, key=key, kind=Kind.GET, result=value)
        self.history.operations.append(operation)

    def put(self) -> None:
        value = next(self.history.values)
        self.change(Kind.PUT, self.register(), argument=value)

    def delete(self) -> None:
        self.change(Kind.DELETE, self.register())

    def compare_and_set(self) -> None:
        key = self.register()
        if key not in self.known:
            self.get()
        expected, index = self.known.pop(key, (None, 0))
        value = next(self.history.values)
        self.change(Kind.CAS, key, argument=value, expected=expected, query=f"?cas={index}")

    def change(
        self,
        kind: Kind,
        key: str,
        *,
        argument: Value = None,
        expected: Value = None,
        query: str = "",
    ) -> None:
        """Write to a register and note it, also when the outcome is unknown."""
        call = next(self.history.ticks)
        returned: int | None = None
        result: bool | None = None
        method = "DELETE" if kind is Kind.DELETE else "PUT"
        try:
            result = self.write(method, f"{key}{query}", str(argument or ""))
            returned = next(self.history.ticks)
        finally:
            if returned is not None or self.is_unknown:
                operation = Operation(
                    call=call,
                    returned=returned,
                    key=key,
                    kind=kind,
                    argument=argument,
                    expected=expected,
                    result=result,
                )
                self.history.operations.append(operation)

    def unique(self) -> None:
        key = f"{PREFIX}unique/{next(self.history.values)}"
        self.note(self.history.unique, key, lambda: self.write("PUT", key, key))

    def session(self) -> None:
        name = f"session-{next(self.history.values)}"
        row = json.dumps({"Name": name, "NodeChecks": [], "Checks": []})
        path = "/v1/session/create"
        self.note(self.history.sessions, name, lambda: self.ask("PUT", path, row))

    def note(self, tries: Tries, what: str, write: Callable[[], object]) -> None:
        """Write and keep what came of it."""
        try:
            write()
        except Unknown:
            tries.unknown.add(what)
            raise
        tries.acknowledged.add(what)

    def step(self) -> None:
        status, body = self.ask("GET", COUNTER)
        if status != 200:
            self.history.complaints.append(f"{self.server}: the counter is not there: {status}")
            return
        row = json.loads(body)[0]
        count = int(base64.b64decode(row["Value"])) + 1
        try:
            is_done = self.write("PUT", f"{COUNTER}?cas={row['ModifyIndex']}", str(count))
        except Unknown:
            self.history.unknown_steps.append(count)
            raise
        if is_done:
            self.history.steps.append(count)

    def stale(self) -> None:
        status, body = self.ask("GET", f"{COUNTER}?stale")
        count = int(base64.b64decode(json.loads(body)[0]["Value"])) if status == 200 else -1
        if count < self.stale_count:
            what = f"{self.server}: stale reads went from {self.stale_count} to {count}"
            self.history.complaints.append(what)
        self.stale_count = count

    # One call.

    def register(self) -> str:
        """One of the registers of now."""
        epoch = int((time.monotonic() - self.began_s) / EPOCH_S)
        return f"{PREFIX}register/{epoch}/{self.rng.randrange(REGISTERS_PER_EPOCH)}"

    def write(self, method: str, key: str, body: str) -> bool:
        """Whether a write of a key was done."""
        _status, answer = self.ask(method, key, body)
        return bool(json.loads(answer))

    def ask(self, method: str, key: str, body: str | None = None) -> tuple[int, bytes]:
        """Status (200 or 404) and body of one call. Raises NotDone and Unknown."""
        path = key if key.startswith("/") else f"/v1/kv/{key}"
        self.is_unknown = False
        connection = self.connected()
        began_s = time.monotonic()
        self.is_unknown = True
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.took(began_s, f"{method} {path}", type(error).__name__)
            self.refused(type(error).__name__)
            self.leave()
            raise Unknown from error
        text = f"{answer.status} {content.decode(errors='replace')}"
        self.took(began_s, f"{method} {path}", text)
        if answer.status not in (200, 404):
            self.refused(text)
            if answer.status == 429 or any(reason in text for reason in SURELY_NOT):
                self.is_unknown = False
                raise NotDone(text)
            raise Unknown(text)
        self.is_unknown = False
        if method != "GET":
            written = Acknowledged(began_s, time.monotonic(), self.server)
            self.history.writes.append(written)
        return answer.status, content

    def connected(self) -> http.client.HTTPConnection:
        """The open connection. Raises NotDone when the server is not there."""
        if self.connection is None:
            connection = self.agent.connection(ANSWER_TIMEOUT_S)
            try:
                connection.connect()
            except OSError as error:
                connection.close()
                self.stop.wait(RECONNECT_PAUSE_S)
                raise NotDone from error
            self.connection = connection
            self.stale_count = 0  # maybe another process, that starts from what it has on disk
        return self.connection

    def leave(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def refused(self, text: str) -> None:
        """Count an answer that was no success; numbers and addresses in it are all the same."""
        text = re.sub(r"(?<!^)\b\d[\d.:]*", "#", text)
        self.history.refusals[text] = self.history.refusals.get(text, 0) + 1

    def took(self, began_s: float, call: str, outcome: str) -> None:
        """Count a call, and keep the slowest."""
        self.history.calls += 1
        now_s = time.monotonic()
        if now_s - began_s > self.history.slowest_s:
            self.history.slowest_s = now_s - began_s
            at_s = began_s - self.began_s
            self.history.slowest = f"{call} at {self.server}, {at_s:.1f} s: {outcome[:100]}"


class Load:
    """Clients at work on all servers, between ``start`` and ``end``."""

    def __init__(self, agents: dict[str, AgentProcess], clients_per_server: int, seed: int) -> None:
        self.history = History()
        self._stop = threading.Event()
        began_s = time.monotonic()
        self._clients = [
            Client(
                name,
                agent,
                self.history,
                rng=Random(f"{seed} {name} {number}"),
                stop=self._stop,
                began_s=began_s,
            )
            for name, agent in agents.items()
            for number in range(clients_per_server)
        ]

    def start(self) -> None:
        """Write the counter's beginning, then let all clients work."""
        first = self._clients[0].agent
        first.put_ok(f"/v1/kv/{COUNTER}", "0")
        for client in self._clients:
            client.start()

    def end(self) -> History:
        """Let each client finish what it waits for; what they did."""
        self._stop.set()
        for client in self._clients:
            client.join(ANSWER_TIMEOUT_S + 1.0)
            assert not client.is_alive(), f"{client.name} got no answer"
        return self.history
