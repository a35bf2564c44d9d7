"""The load: wrk and dnsperf as processes, and a herd of blocked readers in this one."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from tests.system.agent_process import LOOPBACK, ROOT, free_ports

# One generator thread: with the server on the other core of a small machine neither starves.
WRK_THREADS = 1
# Enough questions in flight that the generator never waits for the server, below its socket buffer.
DNS_QUERIES_IN_FLIGHT = 100
# A write is a write only if the value differs from the last one, so each body has a number.
PUT_SCRIPT = """
local number = 0
wrk.method = "PUT"
request = function()
  number = number + 1
  return wrk.format(nil, "/v1/kv/bench/put/" .. (number % 1000), nil, "value " .. number)
end
"""


class LoadError(Exception):
    """A generator failed, or got answers that must not be counted."""


@contextmanager
def bare_responder(kind: str, answer: bytes, folder: Path) -> Iterator[int]:
    """A bare responder process for "http" or "dns"; its port."""
    port = free_ports(1)[0]
    path = folder / f"answer-{port}"
    path.write_bytes(answer)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare", kind, str(port), str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise LoadError(f"the bare {kind} responder did not start")
        yield port
    finally:
        process.kill()
        process.communicate()


def run(command: list[str], *, limit_s: float) -> str:
    """A generator's output; LoadError if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    if done.returncode != 0:
        raise LoadError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def http_rate(port: int, path: str, *, connections: int, seconds: int, put: Path | None) -> float:
    """Requests a second by wrk. `put` names a Lua script that makes the requests."""
    script = ["-s", str(put)] if put else []
    url = f"http://{LOOPBACK}:{port}{path}"
    options = [f"-t{WRK_THREADS}", f"-c{connections}", f"-d{seconds}s", *script]
    text = run(["wrk", *options, url], limit_s=seconds + 20)
    if "Non-2xx" in text or "Socket errors" in text:
        raise LoadError(f"wrk {url}: {text}")
    return float(find(r"Requests/sec:\s+([\d.]+)", text))


def dns_rate(port: int, questions: Path, *, seconds: int, edns: bool) -> float:
    """Answers a second by dnsperf."""
    command = ["dnsperf", "-s", LOOPBACK, "-p", str(port), "-d", str(questions)]
    command += ["-l", str(seconds), "-q", str(DNS_QUERIES_IN_FLIGHT), *(["-e"] if edns else [])]
    text = run(command, limit_s=seconds + 20)
    if "NOERROR" not in find(r"Response codes:\s+(.*)", text):
        raise LoadError(f"dnsperf: {text}")
    return float(find(r"Queries per second:\s+([\d.]+)", text))


def find(pattern: str, text: str) -> str:
    """The pattern's group; LoadError with the text if it is not there."""
    found = re.search(pattern, text)
    if found is None:
        raise LoadError(f"no {pattern} in: {text}")
    return found[1]


class Reader(asyncio.Protocol):
    """One blocked reader: sends its request and notes when the answer came."""

    def __init__(self, request: bytes, woken: "Herd") -> None:
        self.request = request
        self.herd = woken

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.write(self.request)

    @override
    def data_received(self, data: bytes) -> None:
        self.herd.note()


class Herd:
    """Counts the readers that were answered; `last_at` is when the last one was."""

    def __init__(self, size: int) -> None:
        self.waiting = size
        self.last_at = 0.0
        self.all_woken = asyncio.Event()

    def note(self) -> None:
        """One more reader has its answer."""
        self.waiting -= 1
        self.last_at = time.perf_counter()
        if self.waiting == 0:
            self.all_woken.set()


async def wake_all(port: int, *, readers: int, index: int, round_number: int) -> float:
    """Seconds from one write of key bench/herd until the last of the blocked readers answers."""
    loop = asyncio.get_running_loop()
    herd = Herd(readers)
    target = f"/v1/kv/bench/herd?index={index}&wait=60s"
    request = f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    made = [
        await loop.create_connection(lambda: Reader(request, herd), LOOPBACK, port)
        for _ in range(readers)
    ]
    await asyncio.sleep(1.0)  # every request has been read and waits
    if herd.waiting != readers:
        raise LoadError("readers were answered before the write")
    body = f"round {round_number}"
    head = f"PUT /v1/kv/bench/herd HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    began = time.perf_counter()
    writer.write((head + body).encode())
    await asyncio.wait_for(herd.all_woken.wait(), 10)
    for transport, _ in made:
        transport.close()
    writer.close()
    await writer.wait_closed()
    return herd.last_at - began
