"""What is measured of two proxies with mutual TLS between them, beside a pair of Envoys.

In each round both pairs run one after the other, never at once, before the same backend, under the
same load; medians of the rounds' ratios count. The backend answers fixed bytes. Requests vary in
path, so that nothing can be gained from having seen one before. Latency is what the pair adds: the
time at a fixed rate, less the time that the same load takes without proxies.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from proxy.api import Protocol
from tests.bench.load import LoadError, bare_responder, run
from tests.bench.measure import MEBIBYTE, Pace, Result
from tests.bench.mesh_agent import sick_result, unrelated_result
from tests.bench.mesh_pairs import Pair, Starter, envoy_pair, our_pair
from tests.bench.mesh_world import Authority, World
from tests.bench.raft_load import WARM_UP_S, Load, http_load, percentile
from tests.bench.raft_servers import cpu_s
from tests.system.agent_process import LOOPBACK, free_ports, resident_bytes

CONNECTIONS = 32
BULK_CONNECTIONS = 4
BULK_BYTES = MEBIBYTE
SMALL_BYTES = 64
RATE_RATIO = 1.0
BULK_RATIO = 0.8
LATENCY_RATIO = 1.0
WORKER_MEBIBYTES = 60.0
PATHS = 1000
WRK_SCRIPT = f"""
local number, made = 0, {{}}
init = function()
  for i = 0, {PATHS - 1} do
    made[i] = wrk.format("GET", "/items/" .. i .. "?page=" .. (i % 7))
  end
end
request = function()
  number = (number + 1) % {PATHS}
  return made[number]
end
"""
KINDS: tuple[tuple[str, Starter], ...] = (("Envoy", envoy_pair), ("ours", our_pair))

Wanted = Callable[[str], bool]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One load through a pair: CPU microseconds of both proxies an answer, and their memory."""

    load: Load
    cpu_us: float
    resident_bytes: int


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds that a pair adds at a rate."""

    p50_ms: float
    p99_ms: float


def results(pace: Pace, wanted: Wanted) -> Iterator[Result]:
    """Every wanted measurement in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "paths.lua").write_text(WRK_SCRIPT)
        for protocol, label in (("tcp", "L4"), ("http", "HTTP/1.1")):
            if wanted(f"{label} requests"):
                yield from request_results(folder, pace, protocol, label)
        if wanted("L4 bulk"):
            yield bulk_result(folder, pace)
        if wanted("critical to not chosen"):
            yield sick_result(folder, pace)
        if wanted("worker beside unrelated"):
            yield unrelated_result(folder)


def request_results(folder: Path, pace: Pace, protocol: Protocol, label: str) -> Iterator[Result]:
    """The rate of small requests, and what is added to their times at half of Envoy's rate."""
    seen: dict[str, list[Seen]] = {kind: [] for kind, _ in KINDS}
    added: dict[str, list[Added]] = {kind: [] for kind, _ in KINDS}
    with backend(folder, SMALL_BYTES) as port:
        for _ in range(pace.rounds):
            half = 0.0
            for kind, start in KINDS:
                with start(world(protocol, port), folder) as pair:
                    seen[kind].append(loaded(pair, folder, pace.seconds, CONNECTIONS))
                    half = half or seen[kind][0].load.rate / 2
                    direct = paced(port, folder, half, pace.seconds)
                    added[kind].append(less(paced(pair.port, folder, half, pace.seconds), direct))
    yield from rate_results(label, seen["ours"], seen["Envoy"])
    for field in ("p50_ms", "p99_ms"):
        yield latency_result(label, field, added["ours"], added["Envoy"])


def rate_results(label: str, ours: list[Seen], envoys: list[Seen]) -> Iterator[Result]:
    """The rate, its ratio to Envoy's, and the memory of the larger worker."""
    rate, cost = middle(ours, "rate"), statistics.median(each.cpu_us for each in ours)
    yield Result(f"{label} requests", rate, "1/s", detail=f"{cost:.0f} µs CPU of both a request")
    ratio = statistics.median(
        one.load.rate / other.load.rate for one, other in zip(ours, envoys, strict=True)
    )
    cost = statistics.median(each.cpu_us for each in envoys)
    detail = f"Envoy {middle(envoys, 'rate'):,.0f}/s, {cost:.0f} µs CPU"
    name = f"{label} requests in Envoy's"
    yield Result(name, ratio, "ratio", RATE_RATIO, at_least=True, detail=detail)
    resident = max(each.resident_bytes for each in ours) / MEBIBYTE
    yield Result(f"{label}: a worker's memory", resident, "MiB", WORKER_MEBIBYTES)


def middle(rounds: list[Seen], field: str) -> float:
    """The median of one value of the loads."""
    return statistics.median(getattr(each.load, field) for each in rounds)


def latency_result(label: str, field: str, ours: list[Added], envoys: list[Added]) -> Result:
    """One percentile of the added time in Envoy's."""
    mine = statistics.median(getattr(each, field) for each in ours)
    theirs = statistics.median(getattr(each, field) for each in envoys)
    name = f"{label}: added {field.removesuffix('_ms')} in Envoy's"
    detail = f"ours {mine:.2f} ms, Envoy {theirs:.2f} ms, at half of Envoy's rate"
    return Result(name, mine / max(theirs, 0.01), "ratio", LATENCY_RATIO, detail=detail)


def bulk_result(folder: Path, pace: Pace) -> Result:
    """Bytes a second of large answers through TCP."""
    rates: dict[str, list[float]] = {kind: [] for kind, _ in KINDS}
    with backend(folder, BULK_BYTES) as port:
        for _ in range(pace.rounds):
            for kind, start in KINDS:
                with start(world("tcp", port), folder) as pair:
                    seen = loaded(pair, folder, pace.seconds, BULK_CONNECTIONS)
                    rates[kind].append(seen.load.rate * BULK_BYTES / MEBIBYTE)
    pairs = zip(rates["ours"], rates["Envoy"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    ours, envoys = (statistics.median(rates[kind]) for kind in ("ours", "Envoy"))
    detail = f"ours {ours:,.0f} MiB/s, Envoy {envoys:,.0f}"
    return Result("L4 bulk in Envoy's", ratio, "ratio", BULK_RATIO, at_least=True, detail=detail)


@contextmanager
def backend(folder: Path, size: int) -> Iterator[int]:
    """A bare responder with a body of a size; its port."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n"
    with bare_responder("http", head.encode() + b"x" * size, folder) as port:
        yield port


def world(protocol: Protocol, backend_port: int) -> World:
    """New leaves and ports."""
    authority = Authority()
    upstream_port, public_port = free_ports(2)
    return World(
        front=authority.leaf("front"),
        back=authority.leaf("back"),
        root_pem=authority.root_pem,
        backend_port=backend_port,
        upstream_port=upstream_port,
        public_port=public_port,
        protocol=protocol,
    )


def loaded(pair: Pair, folder: Path, seconds: int, connections: int) -> Seen:
    """As many requests as go through."""
    script = folder / "paths.lua"
    http_load(pair.port, "", connections=connections, seconds=WARM_UP_S, script=script)
    pids = [pair.front_pid, pair.back_pid]
    before_s = cpu_s(pids)
    load = http_load(pair.port, "", connections=connections, seconds=seconds, script=script)
    used_s = cpu_s(pids) - before_s
    resident = max(resident_bytes(pid) for pid in pids)
    return Seen(load=load, cpu_us=used_s / (load.rate * seconds) * 1e6, resident_bytes=resident)


def paced(port: int, folder: Path, rate: float, seconds: int) -> Added:
    """The times of requests at a fixed rate over all connections, by h2load."""
    log = folder / "paced.log"
    log.unlink(missing_ok=True)
    each = max(1, round(rate / CONNECTIONS))
    words = ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"--rps={each}", f"-D{seconds}"]
    words += [f"--warm-up-time={WARM_UP_S}", "--log-file", str(log)]
    text = run([*words, f"http://{LOOPBACK}:{port}/items/1?page=1"], limit_s=seconds + 20)
    if ", 0 failed, 0 errored, 0 timeout" not in text:
        raise LoadError(f"h2load: {text}")
    taken = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text().splitlines())
    return Added(p50_ms=percentile(taken, 0.5), p99_ms=percentile(taken, 0.99))


def less(whole: Added, direct: Added) -> Added:
    """What is left of times without those of the same load without proxies."""
    return Added(
        p50_ms=max(0.0, whole.p50_ms - direct.p50_ms),
        p99_ms=max(0.0, whole.p99_ms - direct.p99_ms),
    )
