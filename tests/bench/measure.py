"""The measurements: what is run, against which rows, and the target each one has.

A rate is a ratio to a bare responder that answers the same bytes. Bare and product runs alternate
and medians are taken, so that a noisy neighbour hits both.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import PUT_SCRIPT, bare_responder, dns_rate, http_rate, wake_all
from tests.bench.rows import capture_http, load_keys, load_services, register_instances
from tests.system.agent_process import AgentProcess, AgentStarter
from tests.system.dns_client import exchange, question

MEBIBYTE = 1024 * 1024
READERS = 500
# Each reader holds a connection, and the default cap of one address is 200.
UNCAPPED = ("-hcl", "limits { http_max_conns_per_client = 2000 }")
STARTS = 3
KEYS_LOADED = 100_000
SERVICES_LOADED = 10_000


@dataclass(frozen=True)
class Result:
    """One line of the report: a value, its unit and, if there is one, the bound it must keep."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the bound is kept; a value without one always does."""
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True)
class Pace:
    """How long and how often each rate is measured."""

    seconds: int
    rounds: int


@dataclass(frozen=True)
class HttpCase:
    """One HTTP rate: its request, connections and target ratio."""

    name: str
    path: str
    target: float
    connections: int = 32
    put: bool = False


GET_CASES = (
    HttpCase("KV GET", "/v1/kv/bench/key", 0.50),
    HttpCase("health of 20 instances", "/v1/health/service/bench", 0.30),
)
PUT_CASE = HttpCase("KV PUT in -dev", "/v1/kv/bench/put", 0.24, put=True)
DURABLE_CASE = HttpCase("KV PUT with data dir", "/v1/kv/bench/put", 0.15, 64, put=True)
# Name, owner, type, EDNS, target ratio.
DNS_CASES = (
    ("DNS A", "bench-00000.node.consul", "A", False, 0.80),
    ("DNS SRV of 20", "bench.service.consul", "SRV", True, 0.50),
)


def results(pace: Pace, wanted: Callable[[str], bool]) -> Iterator[Result]:
    """Every wanted measurement in turn; the agents run no longer than they are needed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from (result for result in start_times(folder / "starts") if wanted(result.name))
        yield from dev_agent(folder / "dev", pace, wanted)
        if wanted(DURABLE_CASE.name):
            yield from durable_agent(folder / "durable", pace)
        if wanted("large catalog"):
            yield from large_agent(folder / "large", pace)


def start_times(folder: Path) -> Iterator[Result]:
    """Seconds from the start of the process to its first answer with a leader."""
    folder.mkdir()
    starter = AgentStarter(folder)
    took = []
    for _ in range(STARTS):
        agent = starter.make()
        began = time.perf_counter()
        agent.start()
        took.append(time.perf_counter() - began)
        agent.kill()
    yield Result("start to first answer", statistics.median(took), "s", 1.5)


def dev_agent(folder: Path, pace: Pace, wanted: Callable[[str], bool]) -> Iterator[Result]:
    """What one dev agent does, from idle to the end of the run."""
    folder.mkdir()
    starter = AgentStarter(folder)
    agent = starter(*UNCAPPED)
    try:
        resident = agent.resident_bytes() / MEBIBYTE
        yield Result("resident, idle, -dev with Connect", resident, "MiB", 60)
        agent.put_ok("/v1/kv/bench/key", "v" * 100)
        register_instances(agent, "bench", 20)
        for case in (*GET_CASES, PUT_CASE):
            if wanted(case.name):
                yield compare_http(agent, case, pace, folder)
        for dns_case in DNS_CASES:
            if wanted(dns_case[0]):
                yield compare_dns(agent, dns_case, pace, folder)
        if wanted("wake 500 readers"):
            yield herd_woken(agent, pace)
        yield Result("resident, after the run", agent.resident_bytes() / MEBIBYTE, "MiB", 120)
    finally:
        starter.end_all()


def durable_agent(folder: Path, pace: Pace) -> Iterator[Result]:
    """PUTs that are on disk before they are answered."""
    folder.mkdir()
    starter = AgentStarter(folder)
    options = ("-server", "-bootstrap-expect=1", "-bind=127.0.0.1", f"-data-dir={folder / 'state'}")
    try:
        agent = starter(*options, *UNCAPPED, dev=False)
        yield Result("resident, idle", agent.resident_bytes() / MEBIBYTE, "MiB", 60)
        yield compare_http(agent, DURABLE_CASE, pace, folder)
    finally:
        starter.end_all()


def large_agent(folder: Path, pace: Pace) -> Iterator[Result]:
    """Memory and rates of reads with many rows; the rates are reported as they are."""
    folder.mkdir()
    starter = AgentStarter(folder)
    try:
        agent = starter(*UNCAPPED)
        began = time.perf_counter()
        load_keys(agent, KEYS_LOADED)
        load_services(agent, SERVICES_LOADED)
        loaded = f"loaded in {time.perf_counter() - began:.0f} s"
        resident = agent.resident_bytes() / MEBIBYTE
        yield Result("large catalog, resident", resident, "MiB", 400, detail=loaded)
        for name, path in (
            ("large catalog, KV GET", "/v1/kv/load/500/050500"),
            ("large catalog, health GET", "/v1/health/service/load-05000"),
        ):
            rate = http_rate(
                agent.ports["http"], path, connections=32, seconds=pace.seconds, put=None
            )
            yield Result(name, rate, "requests/s")
    finally:
        starter.end_all()


def compare_http(agent: AgentProcess, case: HttpCase, pace: Pace, folder: Path) -> Result:
    """The product's share of a bare responder's rate for the same answer."""
    script = folder / "put.lua" if case.put else None
    if script:
        script.write_text(PUT_SCRIPT)
    answer = capture_http(agent.ports["http"], request_of(case))

    def rate(port: int) -> float:
        return http_rate(
            port, case.path, connections=case.connections, seconds=pace.seconds, put=script
        )

    with bare_responder("http", answer, folder) as bare_port:
        return compared(
            case.name, case.target, pace, lambda: rate(bare_port), lambda: rate(agent.ports["http"])
        )


def request_of(case: HttpCase) -> bytes:
    """One request of a case, to see its answer."""
    method, length = ("PUT", "Content-Length: 0\r\n") if case.put else ("GET", "")
    return f"{method} {case.path} HTTP/1.1\r\nHost: bench\r\n{length}\r\n".encode()


def compare_dns(
    agent: AgentProcess, case: tuple[str, str, str, bool, float], pace: Pace, folder: Path
) -> Result:
    """The product's share of a bare responder's rate for the same answer."""
    name, owner, kind, edns, target = case
    questions = folder / "questions"
    questions.write_text(f"{owner} {kind}\n")
    answer = exchange(agent.dns_port, question(owner, kind, edns=4096 if edns else None))

    def rate(port: int) -> float:
        return dns_rate(port, questions, seconds=pace.seconds, edns=edns)

    with bare_responder("dns", answer, folder) as bare_port:
        return compared(name, target, pace, lambda: rate(bare_port), lambda: rate(agent.dns_port))


def compared(
    name: str, target: float, pace: Pace, bare: Callable[[], float], product: Callable[[], float]
) -> Result:
    """Alternate both; the ratio is the median of the rounds' own, since noise comes in spells."""
    pairs = [(bare(), product()) for _ in range(pace.rounds)]
    ratio = statistics.median(made / least for least, made in pairs)
    bare_rate = statistics.median(pair[0] for pair in pairs)
    product_rate = statistics.median(pair[1] for pair in pairs)
    detail = f"{product_rate:,.0f}/s of {bare_rate:,.0f}/s"
    return Result(name, ratio, "ratio", target, at_least=True, detail=detail)


def herd_woken(agent: AgentProcess, pace: Pace) -> Result:
    """Milliseconds from one write to the answer of the last of many blocked readers."""
    took = []
    for number in range(max(3, pace.rounds)):
        agent.put_ok("/v1/kv/bench/herd", f"before {number}")
        index = agent.get("/v1/kv/bench/herd").index
        woken = wake_all(agent.ports["http"], readers=READERS, index=index, round_number=number)
        took.append(asyncio.run(woken) * 1000)
    spread = ", ".join(f"{each:.0f}" for each in took)
    return Result("wake 500 readers", statistics.median(took), "ms", 40, detail=spread)
