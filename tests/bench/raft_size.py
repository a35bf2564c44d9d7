"""How three servers do with a large state and a long load: memory, restart, snapshots.

A heartbeat waits for the loop as any request does, so its delay is seen from outside: small
requests, one after the other, whose longest time bounds for how long the loop stood still.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.measure import MEBIBYTE, Result
from tests.bench.raft_load import PUT_SCRIPT, http_load
from tests.bench.raft_servers import agent_servers, cpu_s
from tests.bench.rows import load_keys
from tests.system.agent_process import LOOPBACK, AgentProcess
from tests.system.servers import Servers

KEYS_LOADED = 500_000
RESTART_S = 10.0
HEARTBEAT_DELAY_MS = 100.0
# Entries since the last snapshot stay in memory, and one is taken every 30 s: after a minute of
# full load there is as much as there ever will be.
LOAD_S = 60
GROWTH_RATIO = 1.2
CONNECTIONS = 64
SNAPSHOT_WAIT_S = 120.0
PROBE_PAUSE_S = 0.005

MEMORY = "memory, full load"
RESTART = "restart, 500k keys"
SNAPSHOT = "snapshot, 500k keys"


def size_results(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Result]:
    """The wanted ones; 500,000 keys are loaded once."""
    if wanted(MEMORY):
        yield memory_result(folder / "memory")
    if wanted(RESTART) or wanted(SNAPSHOT):
        with agent_servers(folder / "size") as servers:
            began = time.monotonic()
            leader = servers[servers.wait_leader()]
            load_keys(leader, KEYS_LOADED)
            loaded = f"loaded in {time.monotonic() - began:.0f} s"
            if wanted(SNAPSHOT):
                yield snapshot_result(leader, loaded)
            if wanted(RESTART):
                yield restart_result(servers)


def memory_result(folder: Path) -> Result:
    """What a second minute of as many writes as it takes adds to the memory of the largest one."""
    with agent_servers(folder) as servers:
        script = folder / "put.lua"
        script.write_text(PUT_SCRIPT)
        port = servers[servers.wait_leader()].ports["http"]
        resident, rates = [resident_mebibytes(servers)], []
        for _ in range(2):
            load = http_load(port, "", connections=CONNECTIONS, seconds=LOAD_S, script=script)
            rates.append(load.rate)
            resident.append(resident_mebibytes(servers))
    began, first, second = resident
    detail = f"{began:.0f}, {first:.0f}, {second:.0f} MiB; {sum(rates) * LOAD_S:,.0f} writes"
    return Result(MEMORY, second / first, "ratio", GROWTH_RATIO, detail=detail)


def resident_mebibytes(servers: Servers) -> float:
    """Of the largest one."""
    return max(agent.resident_bytes() for agent in servers.agents.values()) / MEBIBYTE


def restart_result(servers: Servers) -> Result:
    """Seconds from the start of a follower's process until it serves again."""
    agent = servers[servers.followers()[0]]
    agent.stop()
    began = time.monotonic()
    agent.restart()
    took_s = time.monotonic() - began
    assert agent.process is not None
    used_s = cpu_s([agent.process.pid])
    detail = f"{used_s:.1f} s CPU, {agent.resident_bytes() / MEBIBYTE:.0f} MiB resident"
    return Result(RESTART, took_s, "s", RESTART_S, detail=detail)


def snapshot_result(leader: AgentProcess, loaded: str) -> Result:
    """The longest answer in milliseconds while the leader takes a snapshot."""
    quiet_ms = slowest_ms(leader, lambda: time.sleep(1.0))
    took_s = 0.0

    def save() -> None:
        nonlocal took_s
        began = time.monotonic()
        answer = leader.get("/v1/snapshot", timeout_s=SNAPSHOT_WAIT_S)
        assert answer.status == 200, answer.text
        took_s = time.monotonic() - began

    busy_ms = slowest_ms(leader, save)
    detail = f"{quiet_ms:.0f} ms without; taken in {took_s:.1f} s; {loaded}"
    return Result(SNAPSHOT, busy_ms, "ms", HEARTBEAT_DELAY_MS, detail=detail)


def slowest_ms(agent: AgentProcess, work: Callable[[], None]) -> float:
    """The longest of small requests, one after the other, while ``work`` is done."""
    connection = http.client.HTTPConnection(LOOPBACK, agent.ports["http"])
    worker = threading.Thread(target=work)
    slowest_s = 0.0
    worker.start()
    while worker.is_alive():
        began = time.monotonic()
        connection.request("GET", "/v1/status/leader")
        connection.getresponse().read()
        slowest_s = max(slowest_s, time.monotonic() - began)
        time.sleep(PROBE_PAUSE_S)
    worker.join()
    connection.close()
    return slowest_s * 1000
