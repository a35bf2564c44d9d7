"""Pairs of proxies as processes: two workers of ours, or two of Envoy with one thread each."""

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from proxy.api import ProxyConfig
from proxy.messages import Applied, Configure, Hello, ToAgent
from tests.bench.load import LoadError
from tests.bench.mesh_world import (
    World,
    back_config,
    envoy_back,
    envoy_front,
    front_config,
    write_envoy,
)
from tests.system.agent_process import LOOPBACK, ROOT

START_WAIT_S = 20.0
STOP_WAIT_S = 10.0
LENGTH_BYTES = 4

Starter = Callable[[World, Path], contextlib.AbstractContextManager["Pair"]]


class Pair(msgspec.Struct, frozen=True):
    """Two running proxies and the port that load goes to."""

    port: int
    front_pid: int
    back_pid: int


@contextmanager
def our_pair(world: World, folder: Path) -> Iterator[Pair]:
    """Two workers, each told its sidecar over a feed of its own."""
    with (
        worker(back_config(world), folder / "back.sock") as back,
        worker(front_config(world), folder / "front.sock") as front,
    ):
        yield Pair(world.upstream_port, front.pid, back.pid)


@contextmanager
def worker(config: ProxyConfig, feed: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that serves one proxy."""
    with WorkerFeed(feed) as told:
        words = [sys.executable, "-m", "proxy", "--feed", str(feed)]
        with feed.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
        try:
            told.accept()
            told.configure(config)
            yield process
        finally:
            end(process)


class WorkerFeed:
    """The agent's side of a feed for one worker, as blocking calls."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(1)
        self._listening.settimeout(START_WAIT_S)
        self._connection: socket.socket | None = None
        self._version = 0

    def __enter__(self) -> "WorkerFeed":
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        if self._connection is not None:
            self._connection.close()

    def accept(self) -> None:
        """Wait for the worker."""
        self._connection, _ = self._listening.accept()
        self._connection.settimeout(START_WAIT_S)
        if not isinstance(self._read(), Hello):
            raise LoadError("the worker did not say hello")

    def configure(self, config: ProxyConfig) -> None:
        """Tell a configuration, and wait until it is served."""
        assert self._connection is not None
        self._version += 1
        frame = msgspec.msgpack.encode(Configure(version=self._version, config=config))
        self._connection.sendall(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
        while not isinstance(said := self._read(), Applied):
            pass
        if said.faults:
            raise LoadError(f"not served: {said.faults}")
        threading.Thread(target=self._drain, daemon=True).start()

    def _read(self) -> ToAgent:
        assert self._connection is not None
        length = int.from_bytes(self._take(LENGTH_BYTES), "big")
        return msgspec.msgpack.decode(self._take(length), type=ToAgent)

    def _take(self, count: int) -> bytes:
        assert self._connection is not None
        taken = self._connection.recv(count, socket.MSG_WAITALL)
        if len(taken) != count:
            raise LoadError("the worker ended")
        return taken

    def _drain(self) -> None:
        """Take reports, so that the worker never waits for its agent."""
        with contextlib.suppress(OSError):
            assert self._connection is not None
            self._connection.settimeout(None)
            while self._connection.recv(65536):
                pass


@contextmanager
def envoy_pair(world: World, folder: Path) -> Iterator[Pair]:
    """Two Envoys, each with one worker thread."""
    with (
        envoy(write_envoy(folder, "back", envoy_back(world)), world.public_port) as back,
        envoy(write_envoy(folder, "front", envoy_front(world)), world.upstream_port) as front,
    ):
        yield Pair(world.upstream_port, front.pid, back.pid)


@contextmanager
def envoy(bootstrap: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """One Envoy that listens at a port."""
    program = shutil.which("envoy", path=str(Path(sys.executable).parent)) or "envoy"
    words = [program, "-c", str(bootstrap), "--concurrency", "1", "--disable-hot-restart"]
    log = bootstrap.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*words, "--log-level", "error"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        await_port(port, process, log)
        yield process
    finally:
        end(process)


def await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once something listens. Raises LoadError with the log."""
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1.0):
            return
        time.sleep(0.05)
    raise LoadError(f"nothing listens at {port}: {log.read_text()}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, then make it."""
    process.terminate()
    try:
        process.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
