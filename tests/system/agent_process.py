"""A real agent process on loopback: started, asked, killed, started again.

Ports come from the kernel (bind 0, read, close), so tests never share a fixed one; the short race
between closing and the agent's own bind is met by another try with new ports. Only the process
that an `AgentProcess` started is ever signalled.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
# Two shared cores may take a while to import everything; a quiet machine needs about a second.
READY_WAIT_S = 30.0
# An agent leaves its cluster before it ends; longer than this is a hang.
STOP_WAIT_S = 15.0
# Losing the race for a port twice in a row is rare; five times is another trouble.
START_ATTEMPTS_MAX = 5
# Longer than any wait that a test asks a blocking query for.
REQUEST_TIMEOUT_S = 30.0
# What a failed test shows of the agent's log: enough for the cause, not a whole run.
LOG_TAIL_BYTES = 8000
PORT_NAMES = ("http", "dns", "serf-lan", "serf-wan", "server")
# The kernel draws ports at random: of a hundred that are not bound yet, two are soon the same.
_given: set[int] = set()

Found = TypeVar("Found")


def free_ports(count: int) -> list[int]:
    """Ports that nobody had bound a moment ago, free for both TCP and UDP, and not given before."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            stream = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            stream.bind((LOOPBACK, 0))
            port = stream.getsockname()[1]
            if port in _given:
                continue
            datagram = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                datagram.bind((LOOPBACK, port))
                ports.append(port)
    _given.update(ports)
    return ports


def wait_until(
    probe: Callable[[], Found], *, timeout_s: float = 10.0, pause_s: float = 0.05, what: str = ""
) -> Found:
    """The probe's first truthy answer. Raises TimeoutError that shows the last answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what or 'condition'} not met in {timeout_s} s; last: {found!r}")
        time.sleep(pause_s)


@dataclass(frozen=True)
class Response:
    """One HTTP answer: status, headers (any case), body bytes, seconds it took."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    elapsed_s: float

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 fail the test."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def index(self) -> int:
        """The X-Consul-Index header."""
        return int(self.headers["X-Consul-Index"])


class AgentProcess:
    """One agent: its arguments, ports, log and current process.

    `arguments` go to `proconsul agent` after the port options; with `dev=False` give a data
    directory among them.
    """

    def __init__(self, directory: Path, *arguments: str, dev: bool = True) -> None:
        self.log_path = directory / "agent.log"
        self.arguments = ("-dev", *arguments) if dev else arguments
        self.program: tuple[str, ...] = (sys.executable, "-m", "agent.main", "agent")
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def http_address(self) -> str:
        """host:port of the HTTP API."""
        return f"{LOOPBACK}:{self.ports['http']}"

    @property
    def dns_port(self) -> int:
        """Port of DNS, UDP and TCP."""
        return self.ports["dns"]

    @property
    def data_dir(self) -> Path | None:
        """Where it keeps its data; None if its arguments name no such place."""
        option = "-data-dir="
        given = (each for each in self.arguments if each.startswith(option))
        return next((Path(each.removeprefix(option)) for each in given), None)

    def command(self) -> list[str]:
        """The whole command line of the agent."""
        ports = [f"-{name}-port={port}" for name, port in self.ports.items()]
        return [*self.program, *ports, "-grpc-port=-1", *self.arguments]

    def start(self) -> "AgentProcess":
        """Start on new ports and wait until the agent serves. Raises RuntimeError with its log."""
        for _ in range(START_ATTEMPTS_MAX):
            self.ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
            self.spawn()
            try:
                self.wait_ready()
            except RuntimeError:
                if "in use" not in self.log_tail().lower():
                    raise
            else:
                return self
        raise RuntimeError(f"no free ports in {START_ATTEMPTS_MAX} attempts\n{self.log_tail()}")

    def spawn(self) -> None:
        """Start the process on the ports already chosen, and do not wait."""
        assert self.process is None, "already running"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_ready(self) -> None:
        """Return once there is a leader and the node's serfHealth is in the catalog."""
        assert self.process is not None, "not started"
        deadline = time.monotonic() + READY_WAIT_S
        while not self.is_ready():
            if self.process.poll() is not None:
                status = self.process.returncode
                self.process = None
                raise RuntimeError(f"agent ended with status {status}\n{self.log_tail()}")
            if time.monotonic() >= deadline:
                self.kill()
                raise RuntimeError(f"agent not ready in {READY_WAIT_S} s\n{self.log_tail()}")
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Whether the agent has a leader and a passing node check."""
        try:
            if not self.get("/v1/status/leader").json:
                return False
            checks = self.get("/v1/health/state/passing").json
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return any(check["CheckID"] == "serfHealth" for check in checks)

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it without a warning, as a crash would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit status. Kills it after STOP_WAIT_S and raises TimeoutError."""
        assert self.process is not None, "not running"
        self.process.send_signal(how)
        try:
            return self.process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"no end {STOP_WAIT_S} s after {how.name}") from None
        finally:
            self.process = None

    def restart(self) -> None:
        """Start again with the same arguments and ports, and wait until it serves."""
        self.spawn()
        self.wait_ready()

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """A new connection to the HTTP API."""
        return http.client.HTTPConnection(self.http_address, timeout=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Response:
        """Send one request with the path's bytes untouched.

        A body of str or bytes goes as it is, anything else as JSON.
        """
        raw = isinstance(body, bytes | str) or body is None
        payload = body if raw else json.dumps(body)
        if isinstance(payload, str):
            payload = payload.encode()
        connection = self.connection(timeout_s)
        began = time.monotonic()
        try:
            connection.request(method, path, body=payload, headers=headers or {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return Response(answer.status, answer.headers, content, time.monotonic() - began)

    def get(self, path: str, **options: Any) -> Response:
        """GET a path."""
        return self.request("GET", path, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Response:
        """PUT a body to a path."""
        return self.request("PUT", path, body, **options)

    def delete(self, path: str, **options: Any) -> Response:
        """DELETE a path."""
        return self.request("DELETE", path, **options)

    def put_ok(self, path: str, body: Any = None) -> Response:
        """PUT that must answer 200; fails the test with the answer otherwise."""
        answer = self.put(path, body)
        assert answer.status == 200, f"PUT {path}: {answer.status} {answer.body!r}"
        return answer

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command of the command line against this agent."""
        environment = os.environ | {"CONSUL_HTTP_ADDR": self.http_address}
        return subprocess.run(
            [sys.executable, "-m", "agent.main", *words],
            cwd=ROOT,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=REQUEST_TIMEOUT_S,
            check=False,
        )

    def resident_bytes(self) -> int:
        """The process's resident memory."""
        assert self.process is not None, "not running"
        return resident_bytes(self.process.pid)

    def state(self) -> str:
        """How the process is, for a failure's report."""
        if self.process is None:
            return "not running: ended by the test, or it did not start"
        status = self.process.poll()
        return "running" if status is None else f"ended by itself with status {status}"

    def log_tail(self) -> str:
        """The end of what the agent printed."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")


class AgentStarter:
    """Starts agents below one directory, and ends all that still run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[AgentProcess] = []

    def __call__(self, *arguments: str, dev: bool = True) -> AgentProcess:
        """Start one more agent; the arguments are those of `AgentProcess`."""
        return self.make(*arguments, dev=dev).start()

    def make(self, *arguments: str, dev: bool = True) -> AgentProcess:
        """An agent with a directory of its own, not started yet."""
        own = self.directory / f"agent-{len(self.processes)}"
        own.mkdir()
        process = AgentProcess(own, *arguments, dev=dev)
        self.processes.append(process)
        return process

    def end_all(self) -> None:
        """Kill what still runs, and the workers that outlived it."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            if process.data_dir is not None:
                end_workers(process.data_dir)


def end_workers(data_dir: Path) -> None:
    """Kill the proxies' workers of an agent by its data directory, which outlive it by design."""
    feed = os.fsencode(data_dir / "mesh" / "feed.sock")
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"--feed" in words and feed in words:
                os.kill(int(entry.name), signal.SIGKILL)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process. Source: proc_pid_status(5), VmRSS in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)
