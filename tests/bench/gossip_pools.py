"""Pools of processes to compare: serf's agents, bare nodes of ours, client agents of ours.

Each member has an address of its own on the loopback of a network namespace, and the ports that
its kind uses by default. What it hears it prints; the lines are read and timed here, in the same
way for every kind. A pool ends the processes that it started and no others.
"""

import http.client
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgpack
from typing_extensions import override

from tests.compat.peer import find_program
from tests.system.agent_process import ROOT

GOSSIP_PORT = 7946
RPC_PORT = 7373  # serf's
HTTP_PORT = 8500
# Python spends its start computing; more at once than cores only makes all of them late.
STARTING_MAX = 2
START_WAIT_S = 60.0
REST_S = 1.0  # what a start leaves to do is done in far less
END_WAIT_S = 5.0  # a process that closed its output ends at once
LISTEN_BYTES = 65536
LAST_LINES = 20  # what a member that ends is quoted with: a traceback
# What a client agent says of itself; serf's agents and bare nodes say as much, because the size of
# an announcement decides how many of them a packet takes.
TAGS = {
    "build": "1.9.8:00000000",
    "dc": "dc1",
    "id": "00000000-0000-4000-8000-000000000000",
    "role": "node",
    "vsn": "2",
    "vsn_max": "3",
    "vsn_min": "2",
}
TAG_WORDS = [f"{key}={value}" for key, value in TAGS.items()]
# What is heard: which kind of news, about whom.
News = tuple[str, str]


class GossipBenchError(Exception):
    """A member did not do what the measurement needs."""


class Process:
    """One member: its process and the news that it printed."""

    def __init__(self, name: str, host: str, command: list[str]) -> None:
        self.name = name
        self.host = host
        self.heard: set[News] = set()
        self.is_ready = False
        self.rest = b""
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        self.process.kill()
        self.process.communicate()


class Pool(ABC):
    """Members of one kind. ``members`` are those that live."""

    kind: str
    ready: re.Pattern[str]
    # Named groups "joined", "failed" and "event", each with the name in question.
    news: re.Pattern[str]

    def __init__(self, size: int, folder: Path) -> None:
        self.folder = folder
        self.size = size
        self.members: list[Process] = []
        self._selector = selectors.DefaultSelector()

    @abstractmethod
    def command(self, name: str, host: str) -> list[str]:
        """The command line of one member."""

    @abstractmethod
    def join(self, member: Process, first: Process) -> None:
        """Let a member join the first one; do not wait until it is done."""

    @abstractmethod
    def fire(self, name: str, *, limit_s: float) -> float:
        """Send a user event from the last member; seconds until all members have it."""

    @property
    def measured(self) -> list[Process]:
        """The members whose costs count."""
        return self.members

    def start(self) -> None:
        """Start all members, a few at a time, and wait until each is ready."""
        for number in range(1, self.size + 1):
            name, host = f"node-{number:03}", f"127.0.0.{number}"
            member = Process(name, host, self.command(name, host))
            self.members.append(member)
            assert member.process.stdout is not None
            self._selector.register(member.process.stdout, selectors.EVENT_READ, member)
            self.listen(lambda: self._starting() < STARTING_MAX, limit_s=START_WAIT_S)
        self.listen(lambda: self._starting() == 0, limit_s=START_WAIT_S)

    def warm_up(self) -> None:
        """Let every member come to rest after its start, which is not a part of the join."""
        self.rest(REST_S)

    def join_all(self, *, limit_s: float) -> float:
        """Let all join the first at once; seconds until everybody saw everybody."""
        first, *others = self.members
        began = time.monotonic()
        for member in others:
            self.join(member, first)
        names = {member.name for member in self.members}
        return self.heard_by_all("joined", names, limit_s=limit_s) - began

    def fail_one(self, *, limit_s: float) -> float:
        """kill -9 the last member; seconds until all others saw it fail."""
        victim = self.members.pop()
        assert victim.process.stdout is not None
        self._selector.unregister(victim.process.stdout)
        began = time.monotonic()
        victim.kill()
        return self.heard_by_all("failed", {victim.name}, limit_s=limit_s) - began

    def heard_by_all(self, kind: str, names: set[str], *, limit_s: float) -> float:
        """Read on until each member heard of all ``names`` but itself; when that was."""
        expected = {
            member.name: {(kind, name) for name in names if name != member.name}
            for member in self.members
        }
        return self.listen(
            lambda: all(expected[member.name] <= member.heard for member in self.members),
            limit_s=limit_s,
        )

    def listen(self, done: Callable[[], bool], *, limit_s: float) -> float:
        """Read what the members print until ``done``; when that was, monotonic.

        Raises GossipBenchError after ``limit_s``, and when a member ends.
        """
        deadline = time.monotonic() + limit_s
        while not done():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise GossipBenchError(f"{self.kind}: not within {limit_s:g} s")
            self._read_ready(left_s)
        return time.monotonic()

    def rest(self, seconds: float) -> None:
        """Let time pass, reading what is printed."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            self._read_ready(left_s)

    def end(self) -> None:
        """Kill what lives."""
        for member in self.members:
            member.kill()
        self._selector.close()

    def _starting(self) -> int:
        return sum(not member.is_ready for member in self.members)

    def _read_ready(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            self._read(key.data)

    def _read(self, member: Process) -> None:
        assert member.process.stdout is not None
        chunk = os.read(member.process.stdout.fileno(), LISTEN_BYTES)
        if not chunk:
            status, said = member.process.wait(END_WAIT_S), "\n".join(member.last_lines)
            raise GossipBenchError(f"{self.kind} {member.name} ended with {status}:\n{said}")
        *lines, member.rest = (member.rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.decode(errors="replace")
            member.last_lines.append(line)
            if self.ready.search(line):
                member.is_ready = True
            elif found := self.news.search(line):
                assert found.lastgroup is not None
                member.heard.add((found.lastgroup, found[found.lastgroup]))


class LinePool(Pool):
    """Members that print the user events that they receive."""

    @abstractmethod
    def send(self, member: Process, name: str) -> None:
        """Let a member send a user event."""

    @override
    def fire(self, name: str, *, limit_s: float) -> float:
        began = time.monotonic()
        self.send(self.members[-1], name)
        event = {("event", name)}
        everybody = self.members
        end = self.listen(lambda: all(event <= each.heard for each in everybody), limit_s=limit_s)
        return end - began


class SerfPool(LinePool):
    """Real serf agents with the LAN profile, commanded over their RPC."""

    kind = "serf"
    ready = re.compile("Serf agent running!")
    news = re.compile(
        r"EventMemberJoin: (?P<joined>\S+)|EventMemberFailed: (?P<failed>\S+)"
        r"|user-event: (?P<event>\S+)"
    )

    def __init__(self, size: int, folder: Path) -> None:
        super().__init__(size, folder)
        self._program = find_program("serf")
        self._sockets: dict[str, socket.socket] = {}

    @override
    def command(self, name: str, host: str) -> list[str]:
        options = [f"-bind={host}:{GOSSIP_PORT}", f"-rpc-addr={host}:{RPC_PORT}"]
        tags = [f"-tag={word}" for word in TAG_WORDS]
        return [self._program, "agent", f"-node={name}", "-profile=lan", *options, *tags]

    @override
    def start(self) -> None:
        super().start()
        for member in self.members:
            connection = socket.create_connection((member.host, RPC_PORT))
            self._sockets[member.name] = connection
            self._tell(member, "handshake", {"Version": 1})

    @override
    def join(self, member: Process, first: Process) -> None:
        place = f"{first.host}:{GOSSIP_PORT}"
        self._tell(member, "join", {"Existing": [place], "Replay": False})

    @override
    def send(self, member: Process, name: str) -> None:
        self._tell(member, "event", {"Name": name, "Payload": b"", "Coalesce": False})

    @override
    def end(self) -> None:
        for connection in self._sockets.values():
            connection.close()
        super().end()

    def _tell(self, member: Process, command: str, body: dict[str, object]) -> None:
        # Answers are not read: they are small, and what they say is seen in the news.
        head = {"Command": command, "Seq": 0}
        self._sockets[member.name].sendall(msgpack.packb(head) + msgpack.packb(body))


class BarePool(LinePool):
    """Nodes of ours with nothing around them, with the same profile."""

    kind = "bare"
    ready = re.compile("^ready$")
    news = re.compile(
        r"^member-join (?P<joined>\S+)|^member-failed (?P<failed>\S+)|^event (?P<event>\S+)"
    )

    @override
    def command(self, name: str, host: str) -> list[str]:
        return [sys.executable, "-m", "tests.bench.gossip_node", name, host, *TAG_WORDS]

    @override
    def join(self, member: Process, first: Process) -> None:
        self._tell(member, f"join {first.host}:{GOSSIP_PORT}")

    @override
    def send(self, member: Process, name: str) -> None:
        self._tell(member, f"event {name}")

    def _tell(self, member: Process, line: str) -> None:
        assert member.process.stdin is not None
        member.process.stdin.write(line.encode() + b"\n")
        member.process.stdin.flush()


class ClientPool(Pool):
    """Whole agents: a server, whose costs do not count, and its clients."""

    kind = "client"
    ready = re.compile("agent running")
    news = re.compile(
        r"member-join: pool=lan member=(?P<joined>\S+)"
        r"|member-failed: pool=lan member=(?P<failed>\S+)"
    )

    @property
    @override
    def measured(self) -> list[Process]:
        return self.members[1:]

    @override
    def command(self, name: str, host: str) -> list[str]:
        role = ["-server", "-bootstrap-expect=1"] if not self.members else []
        places = [f"-bind={host}", f"-client={host}", f"-data-dir={self.folder / name}"]
        return [sys.executable, "-m", "agent.main", "agent", f"-node={name}", *role, *places]

    def __init__(self, size: int, folder: Path) -> None:
        super().__init__(size, folder)
        self._joining: list[http.client.HTTPConnection] = []

    @override
    def warm_up(self) -> None:
        super().warm_up()
        for member in self.members:
            # The first request loads what serves it.
            ask(member, "GET", "/v1/agent/self", limit_s=START_WAIT_S)

    @override
    def join(self, member: Process, first: Process) -> None:
        # Its answer is not read: it comes after the member has joined.
        connection = http.client.HTTPConnection(member.host, HTTP_PORT, timeout=START_WAIT_S)
        connection.request("PUT", f"/v1/agent/join/{first.host}")
        self._joining.append(connection)

    @override
    def fire(self, name: str, *, limit_s: float) -> float:
        path = f"/v1/event/list?name={name}"
        with ThreadPoolExecutor(len(self.members)) as readers:
            waits = [readers.submit(self._event_at, each, path, limit_s) for each in self.members]
            time.sleep(1.0)  # every reader blocks by now
            began = time.monotonic()
            ask(self.members[-1], "PUT", f"/v1/event/fire/{name}", limit_s=limit_s)
            return max(wait.result() for wait in waits) - began

    @override
    def end(self) -> None:
        for connection in self._joining:
            connection.close()
        super().end()

    def _event_at(self, member: Process, path: str, limit_s: float) -> float:
        """When a member's blocking query told of the event."""
        _, index = ask(member, "GET", path, limit_s=limit_s)
        body, _ = ask(member, "GET", f"{path}&index={index}&wait={limit_s:g}s", limit_s=limit_s * 2)
        if body.strip() == b"[]":
            raise GossipBenchError(f"{member.name} did not receive the event in {limit_s:g} s")
        return time.monotonic()


def ask(member: Process, method: str, path: str, *, limit_s: float) -> tuple[bytes, str]:
    """A request's body and index; GossipBenchError unless it is answered with 200."""
    connection = http.client.HTTPConnection(member.host, HTTP_PORT, timeout=limit_s)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise GossipBenchError(f"{member.name} {path}: {answer.status} {body!r}")
    return body, answer.headers.get("X-Consul-Index", "")


KINDS: tuple[type[Pool], ...] = (SerfPool, BarePool, ClientPool)
