"""A cluster on two hosts, cut in two for a while and healed, with the timers of ordinary agents.

    host a: server s1, clients c1 c2  ──✂──  host b: clients c3 c4

Slower than a test may be: the timers are those of a user who sets none, so a failure takes some
ten seconds to be believed and the lost half is looked for every 30 s. `scripts/partition` runs it.
"""

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from tests.system.agent_process import AgentProcess
from tests.system.cluster import instances, member_status, node_status
from tests.system.network import HOSTS, HostedAgent, Network, two_hosts

# A round of looking for the lost half (30 s), a dial that begins just before the heal and fails
# (10 s), another round (30 s), and the news' way to everybody.
HEAL_S_MAX: Final = 90.0
# Five processes on a busy machine.
START_S_MAX: Final = 60.0
# An event is gossiped within a second or two.
EVENT_S_MAX: Final = 15.0
# What is beside the cut: starting, healing, the event, ending.
OVERHEAD_S_MAX: Final = 210.0
# The shortest cut in which every failure is believed: up to 24 s of suspicion, and the probes
# before it, which are slower the less an agent trusts its own network.
CUT_S_MIN: Final = 45.0
MEMORY_GROWTH_BYTES_MAX: Final = 24 * 1024 * 1024
# Often enough for figures of a tenth of the gossip's times, rare enough to load nobody.
LOOK_INTERVAL_S: Final = 0.25
MEBIBYTE: Final = 1024 * 1024

NEAR: Final = ("s1", "c1", "c2")
FAR: Final = ("c3", "c4")
SERVICE: Final = "web"

Agents = dict[str, AgentProcess]
Claims = dict[str, Callable[[], bool]]


class Broken(Exception):
    """A claim does not hold; the text says which."""


def play(cut_s: float) -> int:
    """Run it and print the table; the exit status: 0 when every claim held in its time."""
    directory = Path(tempfile.mkdtemp(prefix="proconsul-partition-"))
    try:
        with bounded(cut_s + OVERHEAD_S_MAX), two_hosts() as network:
            run(network, directory, cut_s)
    except (Broken, RuntimeError, TimeoutError, pytest.fail.Exception, pytest.skip.Exception) as e:
        print(f"FAILED: {e}\nthe agents' logs are in {directory}")
        return 1
    shutil.rmtree(directory)
    print("all held")
    return 0


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after this time, and SystemExit at SIGTERM, so that all is ended."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done in {seconds:.0f} s")

    def told(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGTERM, told)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run(network: Network, directory: Path, cut_s: float) -> None:
    """Start, cut, heal, look. Raises Broken, or TimeoutError for what never came."""
    agents: Agents = {}
    try:
        print(f"{'':58}{'after':>8}{'at most':>9}")
        began_s = time.monotonic()
        start(network, directory, agents)
        tell({"all five agents serve": time.monotonic() - began_s}, START_S_MAX)
        tell(watch(whole(agents), START_S_MAX), START_S_MAX)
        before = {name: agent.resident_bytes() for name, agent in agents.items()}

        print(f"both directions cut for {cut_s:.0f} s")
        network.cut()
        tell(watch(torn(agents), cut_s, to_the_end=True), cut_s)

        print("healed")
        network.heal()
        tell(watch(whole(agents), HEAL_S_MAX), HEAL_S_MAX)
        for name in ("c1", "c4"):
            agents[name].put_ok(f"/v1/event/fire/from-{name}")
        tell(watch(heard(agents, "c1", "c4"), EVENT_S_MAX), EVENT_S_MAX)
        compare_memory(agents, before)
    finally:
        for agent in agents.values():
            agent.kill()


def start(network: Network, directory: Path, agents: Agents) -> None:
    """Fill `agents`: all started with no timer set, each with an instance of the service."""
    kept = f"-data-dir={directory}/data"
    server = HostedAgent(
        network, "a", directory / "s1", "-node=s1", f"{kept}-s1", "-server", "-bootstrap-expect=1"
    )
    agents["s1"] = server
    server.start()
    joined = f"-retry-join={HOSTS['a']}:{server.ports['serf-lan']}"
    for name in (*NEAR[1:], *FAR):
        host = "a" if name in NEAR else "b"
        client = HostedAgent(
            network, host, directory / name, f"-node={name}", f"{kept}-{name}", joined
        )
        agents[name] = client
        client.start()
    for number, agent in enumerate(agents.values()):
        agent.put_ok("/v1/agent/service/register", {"Name": SERVICE, "Port": 8000 + number})


def whole(agents: Agents) -> Claims:
    """What is so of a cluster that is well."""
    alive = dict.fromkeys(agents, "alive")
    placed = sorted((name, 8000 + number) for number, name in enumerate(agents))

    def passing(agent: AgentProcess) -> bool:
        return all(node_status(agent, name) == "passing" for name in agents)

    return {
        "every agent sees all members alive": lambda: all(
            member_status(agent) == alive for agent in agents.values()
        ),
        "serfHealth of all is passing, asked of every agent": lambda: all(
            passing(agent) for agent in agents.values()
        ),
        "the service of all is there, asked of every agent": lambda: all(
            instances(agent, SERVICE) == placed for agent in agents.values()
        ),
        "every agent runs": lambda: all(agent.is_running() for agent in agents.values()),
    }


def torn(agents: Agents) -> Claims:
    """What becomes so of a cluster cut in two."""

    def sees(name: str) -> bool:
        mine, theirs = (NEAR, FAR) if name in NEAR else (FAR, NEAR)
        return member_status(agents[name]) == (
            dict.fromkeys(mine, "alive") | dict.fromkeys(theirs, "failed")
        )

    def registered() -> set[str]:
        rows = agents["s1"].get(f"/v1/catalog/service/{SERVICE}").json
        return {row["Node"] for row in rows}

    return {
        **{
            f"{name} sees the other side failed, its own alive": lambda name=name: sees(name)
            for name in agents
        },
        "serfHealth of c3 and c4 is critical at s1": lambda: all(
            node_status(agents["s1"], name) == "critical" for name in FAR
        ),
        "only near instances pass at c1": lambda: (
            [node for node, _ in instances(agents["c1"], SERVICE)] == sorted(NEAR)
        ),
        "no instance left the catalog": lambda: registered() == set(agents),
        "every agent runs": lambda: all(agent.is_running() for agent in agents.values()),
    }


def heard(agents: Agents, *names: str) -> Claims:
    """The events of these agents are known to every one."""
    return {
        f"the event of {name} is known to every agent": lambda name=name: all(
            agent.get(f"/v1/event/list?name=from-{name}").json for agent in agents.values()
        )
        for name in names
    }


def watch(claims: Claims, bound_s: float, *, to_the_end: bool = False) -> dict[str, float]:
    """Since when each claim has held, in seconds, once all hold or when the time is over.

    Raises Broken for those that do not hold then.
    """
    began_s = time.monotonic()
    since_s: dict[str, float] = {}
    while True:
        for text, holds in claims.items():
            if holds():
                since_s.setdefault(text, time.monotonic() - began_s)
            else:
                since_s.pop(text, None)
        is_over = time.monotonic() - began_s >= bound_s
        if is_over or (len(since_s) == len(claims) and not to_the_end):
            break
        time.sleep(LOOK_INTERVAL_S)
    missing = [text for text in claims if text not in since_s]
    if missing:
        raise Broken(f"not so after {bound_s:.0f} s: {'; '.join(missing)}")
    return {text: since_s[text] for text in claims}


def tell(since_s: dict[str, float], bound_s: float) -> None:
    """Print one row a claim."""
    for text, seconds in since_s.items():
        print(f"  {text:56}{seconds:6.1f} s{bound_s:7.0f} s", flush=True)


def compare_memory(agents: Agents, before: dict[str, int]) -> None:
    """Print what each agent holds now. Raises Broken for one that grew too much."""
    print("resident memory, before the cut and at the end")
    grown: list[str] = []
    for name, agent in agents.items():
        now, was = agent.resident_bytes(), before[name]
        print(f"  {name:50}{was / MEBIBYTE:9.1f} MiB{now / MEBIBYTE:8.1f} MiB")
        if now - was > MEMORY_GROWTH_BYTES_MAX:
            grown.append(name)
    if grown:
        raise Broken(f"grew by more than {MEMORY_GROWTH_BYTES_MAX // MEBIBYTE} MiB: {grown}")
