"""What is measured of three servers, and the bound of each value.

etcd and the agents run one after the other in each round, never at once, so that each has the
machine to itself and a noisy neighbour hits both; medians of the rounds' values and ratios count.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tests.bench.load import LoadError
from tests.bench.measure import Pace, Result
from tests.bench.raft_load import PUT_SCRIPT, WARM_UP_S, Load, etcd_load, http_load
from tests.bench.raft_servers import agent_servers, bare_servers, cpu_s, etcd_servers
from tests.bench.raft_size import size_results

CONNECTIONS = (1, 16, 64)
FULL = 64  # the connections whose values have bounds
IN_FLIGHT = (1, 16, 256)
FULL_IN_FLIGHT = 256

API_RATE = 20_000.0
PUT_RATE = 5_000.0
PUT_P99_MS = 25.0
PUT_RATIO = 1.3
GET_RATE = 15_000.0
READ_KEY = "/v1/kv/bench/put/1"

ETCD, AGENTS = "etcd", "agents"
LEADER, FOLLOWER = "leader", "follower"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One load and what it cost: CPU microseconds of all three servers for each answer."""

    load: Load
    cpu_us: float


Wanted = Callable[[str], bool]


def results(pace: Pace, wanted: Wanted) -> Iterator[Result]:
    """Every wanted measurement in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if any(wanted(f"log, {count} in flight") for count in IN_FLIGHT):
            yield from log_results(folder, pace, wanted)
        if any(wanted(put_name(count)) for count in CONNECTIONS):
            yield from put_results(folder, pace)
        if wanted("GET at a follower"):
            yield get_result(folder, pace)
        yield from size_results(folder, wanted)


def put_name(connections: int) -> str:
    """Name of a measurement of writes."""
    return f"PUT, {connections} connections"


# --- the log alone ---


def log_results(folder: Path, pace: Pace, wanted: Wanted) -> Iterator[Result]:
    """Proposals a second through bare servers."""
    for in_flight in IN_FLIGHT:
        name = f"log, {in_flight} in flight"
        if not wanted(name):
            continue
        rounds = [
            log_round(folder / f"log-{in_flight}-{number}", in_flight, pace.seconds)
            for number in range(pace.rounds)
        ]
        target = API_RATE if in_flight == FULL_IN_FLIGHT else None
        rate = statistics.median(load.rate for load, _ in rounds)
        middle, costs = min(rounds, key=lambda each: abs(each[0].rate - rate))
        detail = f"p50 {middle.p50_ms:.1f} ms, p99 {middle.p99_ms:.1f} ms; {costs}"
        yield Result(name, rate, "commits/s", target, at_least=True, detail=detail)


def log_round(folder: Path, in_flight: int, seconds: int) -> tuple[Load, str]:
    """A load on new servers, and what it cost each of them, in words."""
    with bare_servers(folder) as (leader, followers):
        servers = {LEADER: leader, FOLLOWER: followers[0]}
        before = {role: server.costs() for role, server in servers.items()}
        load = leader.load(in_flight, seconds)
        told = []
        for role, server in servers.items():
            after = server.costs()
            count = after.applied_index - before[role].applied_index
            cpu_us = (after.cpu_s - before[role].cpu_s) / count * 1e6
            syncs = (after.sync_count - before[role].sync_count) / (seconds + WARM_UP_S)
            told.append(f"{role} {cpu_us:.1f} µs CPU/commit, {syncs:.0f} syncs/s")
        return load, ", ".join(told)


# --- beside etcd ---


def put_results(folder: Path, pace: Pace) -> Iterator[Result]:
    """Writes a second and their times, beside etcd's."""
    rounds: dict[tuple[str, int], list[Seen]] = {}
    for number in range(pace.rounds):
        for kind, measure in ((ETCD, etcd_round), (AGENTS, agents_round)):
            seen = measure(folder / f"{kind}-{number}", pace.seconds)
            for connections, each in seen.items():
                rounds.setdefault((kind, connections), []).append(each)
    for connections in CONNECTIONS:
        etcd, agents = rounds[ETCD, connections], rounds[AGENTS, connections]
        yield from compared(connections, etcd, agents)


def compared(connections: int, etcd: list[Seen], agents: list[Seen]) -> Iterator[Result]:
    """Four lines: the rate and its ratio to etcd's, the 99th percentile and its ratio."""
    is_full = connections == FULL
    name = put_name(connections)
    rate, p99_ms = median_of(agents, "rate"), median_of(agents, "p99_ms")
    cost = statistics.median(each.cpu_us for each in agents)
    detail = f"p50 {median_of(agents, 'p50_ms'):.1f} ms; {cost:.0f} µs CPU of all three a write"
    target = PUT_RATE if is_full else None
    yield Result(name, rate, "writes/s", target, at_least=True, detail=detail)
    pairs = list(zip(agents, etcd, strict=True))
    ratio = statistics.median(ours.load.rate / theirs.load.rate for ours, theirs in pairs)
    cost = statistics.median(each.cpu_us for each in etcd)
    detail = f"etcd {median_of(etcd, 'rate'):,.0f}/s, p50 {median_of(etcd, 'p50_ms'):.1f} ms; "
    detail += f"{cost:.0f} µs CPU"
    target = PUT_RATIO if is_full else None
    short = f"PUT, {connections}"
    yield Result(f"{short}: rate in etcd's", ratio, "ratio", target, at_least=True, detail=detail)
    yield Result(f"{short}: p99", p99_ms, "ms", PUT_P99_MS if is_full else None)
    ratio = statistics.median(ours.load.p99_ms / theirs.load.p99_ms for ours, theirs in pairs)
    detail = f"etcd {median_of(etcd, 'p99_ms'):.1f} ms"
    target = 1.0 if is_full else None
    yield Result(f"{short}: p99 in etcd's", ratio, "ratio", target, detail=detail)


def median_of(rounds: list[Seen], field: str) -> float:
    """The median of one value of the loads."""
    return statistics.median(getattr(each.load, field) for each in rounds)


def etcd_round(folder: Path, seconds: int) -> dict[int, Seen]:
    """Puts to the leader of a new etcd, by number of connections."""
    seen = {}
    with etcd_servers(folder) as servers:
        for connections in CONNECTIONS:
            leader = servers.leader()
            revision, before_s = servers.revision(), cpu_s(servers.pids())
            load = etcd_load(
                leader.client_port, connections=connections, seconds=seconds, folder=folder
            )
            used_s, writes = cpu_s(servers.pids()) - before_s, servers.revision() - revision
            if writes < load.rate * seconds:
                raise LoadError(f"etcd answered {load.rate * seconds} puts but made {writes}")
            seen[connections] = Seen(load=load, cpu_us=used_s / writes * 1e6)
    return seen


def agents_round(folder: Path, seconds: int) -> dict[int, Seen]:
    """PUTs to the leader of new agents, by number of connections."""
    seen = {}
    with agent_servers(folder) as servers:
        script = folder / "put.lua"
        script.write_text(PUT_SCRIPT)
        pids = [agent.process.pid for agent in servers.agents.values() if agent.process]
        for connections in CONNECTIONS:
            port = servers[servers.wait_leader()].ports["http"]
            http_load(port, "", connections=connections, seconds=WARM_UP_S, script=script)
            before_s = cpu_s(pids)
            load = http_load(port, "", connections=connections, seconds=seconds, script=script)
            used_s = cpu_s(pids) - before_s
            seen[connections] = Seen(load=load, cpu_us=used_s / (load.rate * seconds) * 1e6)
    return seen


def get_result(folder: Path, pace: Pace) -> Result:
    """Reads of one key through a server that does not lead, with the default consistency."""
    with agent_servers(folder / "reads") as servers:
        servers[servers.wait_leader()].put_ok(READ_KEY, "v" * 64)
        port = servers[servers.followers()[0]].ports["http"]
        loads = [
            http_load(port, READ_KEY, connections=FULL, seconds=pace.seconds)
            for _ in range(pace.rounds)
        ]
    rate = statistics.median(load.rate for load in loads)
    detail = f"p99 {statistics.median(load.p99_ms for load in loads):.1f} ms"
    return Result("GET at a follower", rate, "requests/s", GET_RATE, at_least=True, detail=detail)
