"""What is measured of the mesh of one agent: how soon a sick instance is left alone, and whether
services that are none of its business cost a worker memory.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.load import LoadError, bare_responder
from tests.bench.measure import MEBIBYTE, Pace, Result
from tests.bench.raft_load import percentile
from tests.bench.rows import send_all
from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, resident_bytes
from tests.system.mesh_site import Sidecar, register, speak

PROXIES = 100
SICK_S = 1.0  # from critical to no proxy choosing it, the 99th percentile of the proxies
WATCHED_S = 3.0  # after the check turned: far beyond the bound
UNRELATED = 1000
GROWTH_MEBIBYTES = 2.0  # what is no more than the noise of an allocator
TTL_CHECK = {"CheckID": "ttl", "TTL": "10m", "Status": "passing"}
# Of an agent that one host's hundred callers share; each holds some connections.
UNCAPPED = "-hcl=limits { http_max_conns_per_client = 1000 }"
SICK, WELL = b"sick", b"well"


@contextmanager
def callers(folder: Path, count: int) -> Iterator[list[Sidecar]]:
    """Callers on one agent, whose upstream has a well and a sick instance."""
    folder.mkdir(exist_ok=True)
    starter = AgentStarter(folder)
    with ExitStack() as stack:
        stack.callback(starter.end_all)
        agent = starter("-node=bench", UNCAPPED)
        speak(agent, "http", "back")
        for name in (SICK, WELL):
            port = stack.enter_context(bare_responder("http", answer(name), folder))
            instance = f"back-{name.decode()}"
            check = {**TTL_CHECK, "CheckID": f"ttl:{instance}"}
            register(agent, "back", port, instance=instance, checks=[check])
        made = [register(agent, f"front-{n}", 9, upstreams=["back"]) for n in range(count)]
        for sidecar in made:
            sidecar.wait_reach("back")
        yield made


def answer(body: bytes) -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# How soon a sick instance is left alone.


def sick_result(folder: Path, pace: Pace) -> Result:
    """Seconds from the check's turn until the last answer of the sick one, over all proxies."""
    with callers(folder / "sick", PROXIES) as made:
        agent = made[0].agent
        ports = [sidecar.upstreams["back"] for sidecar in made]
        rounds = [asyncio.run(watch_turn(agent, ports)) for _ in range(pace.rounds)]
    worst = statistics.median(percentile(sorted(each), 0.99) for each in rounds)
    middle = statistics.median(percentile(sorted(each), 0.5) for each in rounds)
    detail = f"p50 {middle:.3f} s over {PROXIES} proxies"
    return Result("critical to not chosen, p99", worst, "s", SICK_S, detail=detail)


async def watch_turn(agent: AgentProcess, ports: list[int]) -> list[float]:
    """For each proxy, how long after the turn the sick one answered last; then it is well again."""
    watch = Watch(ports)
    asking = [asyncio.create_task(ask_on(port, watch)) for port in ports]
    await watch.all_seen.wait()
    turned = time.monotonic()
    await asyncio.to_thread(agent.put_ok, "/v1/agent/check/fail/ttl:back-sick")
    await asyncio.sleep(WATCHED_S)
    watch.ended.set()
    await asyncio.gather(*asking)
    await asyncio.to_thread(agent.put_ok, "/v1/agent/check/pass/ttl:back-sick")
    if any(time.monotonic() - at < WATCHED_S / 2 for at in watch.last.values()):
        raise LoadError("a proxy never left the sick instance alone")
    return [max(0.0, at - turned) for at in watch.last.values()]


class Watch:
    """When each proxy's sick instance answered last, and whether each has answered at all."""

    def __init__(self, ports: list[int]) -> None:
        self.last = dict.fromkeys(ports, 0.0)
        self.unseen = set(ports)
        self.all_seen = asyncio.Event()
        self.ended = asyncio.Event()

    def note(self, port: int) -> None:
        """The sick instance answered."""
        self.last[port] = time.monotonic()
        self.unseen.discard(port)
        if not self.unseen:
            self.all_seen.set()


async def ask_on(port: int, watch: Watch) -> None:
    """Ask one proxy again and again over one connection."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    request = b"GET / HTTP/1.1\r\nHost: back\r\n\r\n"
    while not watch.ended.is_set():
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(len(SICK))
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise LoadError(head.decode())
        if body == SICK:
            watch.note(port)
    writer.close()


# Whether others cost memory.


def unrelated_result(folder: Path) -> Result:
    """How a worker grows while services that its proxies do not talk to come and go."""
    with callers(folder / "unrelated", 1) as (sidecar,):
        agent = sidecar.agent
        pid = worker_of(agent)
        come_and_go(agent, 10)
        before = resident_bytes(pid)
        for _ in range(3):
            come_and_go(agent, UNRELATED)
        sidecar.wait_reach("back")
        after = resident_bytes(pid)
    grown = (after - before) / MEBIBYTE
    detail = f"{before / MEBIBYTE:.1f} MiB before, {after / MEBIBYTE:.1f} after 3 x {UNRELATED}"
    return Result("worker beside unrelated", grown, "MiB", GROWTH_MEBIBYTES, detail=detail)


def come_and_go(agent: AgentProcess, count: int) -> None:
    """Register services elsewhere, and take them off again."""
    names = [f"unrelated-{number}" for number in range(count)]
    send_all(
        agent,
        [
            {"Node": name, "Address": "10.9.0.1", "Service": {"Service": name, "Port": 80}}
            for name in names
        ],
    )
    for name in names:
        agent.put_ok("/v1/catalog/deregister", {"Node": name})


def worker_of(agent: AgentProcess) -> int:
    """The process of the agent's worker. Source: proc(5), stat and cmdline."""
    assert agent.process is not None
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == agent.process.pid and b"proxy" in words:
            return int(entry.name)
    raise LoadError("the agent has no worker")
