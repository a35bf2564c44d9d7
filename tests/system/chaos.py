"""Real servers under load and under faults of every kind, and whether they kept every promise.

    clients ─► s1 ─┐
    clients ─► s2 ─┼─ switch     each server on a host of its own, its disk a small tmpfs, its
    clients ─► s3 ─┘             syncs and its clock in the hands of the test

A deck of faults is played in an order drawn by the seed; between two the cluster must be whole
again. At the end the history is judged (``load_verdicts``), and all servers must hold the same.
``scripts/chaos`` runs it for minutes; the tests for one. The same seed draws the same faults; the
rest is up to the machine. A run of one server alone has no followers and is no use.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.sim.raft.linearizability import Verdict
from tests.system.agent_process import wait_until
from tests.system.fault_decks import EVERY, decks
from tests.system.load import PREFIX, History, Load
from tests.system.load_verdicts import judge_all, judge_registers, median_s, outage_s
from tests.system.partition import Broken, bounded
from tests.system.process_faults import KillLeader
from tests.system.sabotage import Sabotage, SmallDisk, build
from tests.system.servers import ELECTION_TIMEOUT_S, Servers, hosted_servers
from tests.system.stage import Fault, Stage
from tests.system.switch import Switch, switched

# Room for the log's segments and the spare ones, with what a snapshot takes.
DISK_BYTES: Final = 320 * 1024 * 1024
CLIENTS_PER_SERVER: Final = 3
# Between two faults: the cluster shall be at work, not only healed.
CALM_S: Final = 1.0
# Starts of processes, the catching up, and a hold time.
WHOLE_WAIT_S: Final = 30.0
# What is beside the faults: starting, judging, ending.
OVERHEAD_S_MAX: Final = 120.0
# A dead leader is noticed after one to two election timeouts; half of the times shall be less.
OUTAGE_MEDIAN_S_MAX: Final = 2 * ELECTION_TIMEOUT_S
# Of what servers hold instead of the same.
COMPLAINT_LENGTH_MAX: Final = 500
# A server that is dead for a while is no reason to change who has a vote, and a new one gets its
# vote soon.
STEADY_VOTERS: Final = (
    '-hcl=autopilot { cleanup_dead_servers = false server_stabilization_time = "1s" }'
)
# Who is away for a few seconds comes back through a snapshot as often as through the log.
FREQUENT_SNAPSHOTS: Final = (
    '-hcl=raft_snapshot_threshold = 400 raft_snapshot_interval = "2s" raft_trailing_logs = 400'
)


@dataclass
class Episode:
    """One fault as it went.

    Seconds: from its end until all was well; the longest without a write, from its beginning on.
    """

    fault: Fault
    victims: str
    began_s: float
    healed_after_s: float = 0.0
    outage_s: float = 0.0


@dataclass
class Report:
    """What a run found."""

    history: History
    episodes: list[Episode] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    undecided_count: int = 0

    def outages_s(self, kind: type[Fault]) -> list[float]:
        """The outages after faults of a kind."""
        return [episode.outage_s for episode in self.episodes if type(episode.fault) is kind]


def play(minutes: float, server_count: int, seed: int) -> int:
    """Run, and print the tables; the exit status: 0 when every promise was kept."""
    print(f"seed {seed}, {server_count} servers, {minutes:g} minutes of faults", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="proconsul-chaos-"))
    try:
        with bounded(minutes * 60 + WHOLE_WAIT_S + OVERHEAD_S_MAX):
            report = run(directory, minutes * 60, server_count=server_count, seed=seed)
    except (Broken, RuntimeError, TimeoutError, pytest.fail.Exception, pytest.skip.Exception) as e:
        print(f"FAILED: {e}\nthe servers' logs are in {directory}")
        return 1
    print(summary(report))
    if report.broken:
        print(f"the servers' logs are in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def run(
    directory: Path,
    duration_s: float,
    *,
    server_count: int,
    seed: int,
    kinds: Sequence[Callable[[], Fault]] = EVERY,
) -> Report:
    """Start the servers and the load, play faults for this time, end all, judge."""
    names = [f"s{number}" for number in range(1, server_count + 1)]
    with switched(names) as switch, staged(directory, switch, Random(seed)) as stage:
        stage.servers.start()
        load = Load(stage.servers.agents, CLIENTS_PER_SERVER, seed)
        report = Report(load.history)
        load.start()
        began_s = time.monotonic()
        try:
            for fault in decks(stage.rng, kinds):
                if time.monotonic() - began_s >= duration_s:
                    break
                report.episodes.append(episode(stage, load, fault, report.broken))
                tell(report.episodes[-1], began_s)
        except (Broken, TimeoutError) as error:
            report.broken.append(str(error))
        finally:
            load.end()
        judge_at_end(stage, report)
    return report


@contextlib.contextmanager
def staged(directory: Path, switch: Switch, rng: Random) -> Iterator[Stage]:
    """The servers, not started, each with a disk and a clock that can be spoiled."""
    library = build(directory)
    sabotage = {name: Sabotage(library, directory / f"page-{name}") for name in switch.hosts}
    disks: dict[str, SmallDisk] = {}
    servers = Servers({}, {})
    try:
        for name in switch.hosts:
            disks[name] = SmallDisk(directory / f"data-{name}", DISK_BYTES)
        prefixes = {name: (*disks[name].prefix, *sabotage[name].prefix) for name in switch.hosts}
        servers = hosted_servers(switch, directory, prefixes, STEADY_VOTERS, FREQUENT_SNAPSHOTS)
        yield Stage(servers, switch, sabotage, disks, rng)
    finally:
        servers.end()
        for disk in disks.values():
            disk.end()


def episode(stage: Stage, load: Load, fault: Fault, broken: list[str]) -> Episode:
    """Begin a fault, wait, end it, and wait until every server takes part again."""
    victims = fault.begin(stage)
    found = Episode(fault, victims, time.monotonic())
    time.sleep(fault.lasts_s)
    try:
        fault.end(stage)
    except (Broken, TimeoutError) as error:
        broken.append(f"{fault.name} ({victims}): {error}")
    ended_s = time.monotonic()
    wait_whole(stage.servers, load.history, ended_s)
    whole_s = time.monotonic()
    found.healed_after_s = whole_s - ended_s
    found.outage_s = outage_s(load.history.writes, found.began_s, whole_s)
    time.sleep(CALM_S)
    return found


def wait_whole(servers: Servers, history: History, since_s: float) -> None:
    """Return once each server has taken a write that began after this moment. Raises Broken."""

    def missing() -> set[str]:
        return set(servers.names) - {w.server for w in history.writes[::-1] if w.began_s >= since_s}

    try:
        wait_until(lambda: not missing(), timeout_s=WHOLE_WAIT_S, what="writes through all")
    except TimeoutError:
        dead = [f"{name} is {servers[name].state()}" for name in sorted(missing())]
        raise Broken(f"not whole {WHOLE_WAIT_S:.0f} s after a fault: {'; '.join(dead)}") from None


def judge_at_end(stage: Stage, report: Report) -> None:
    """Compare the servers, and judge the history."""
    servers = stage.servers
    report.broken += [
        f"{name} is {agent.state()}"
        for name, agent in servers.agents.items()
        if not agent.is_running()
    ]
    report.broken += [
        f"{name} tells of a bug in its log"
        for name, agent in servers.agents.items()
        if b"Traceback" in agent.log_path.read_bytes()
    ]
    try:
        leader = servers[servers.wait_leader()]
        rows = servers.wait_same(PREFIX, list(servers.running))
    except TimeoutError as error:
        report.broken.append(str(error)[:COMPLAINT_LENGTH_MAX])
        return
    sessions = [row["Name"] for row in leader.get("/v1/session/list?consistent").json]
    registers = judge_registers(report.history)
    report.undecided_count = sum(found is Verdict.UNKNOWN for found in registers.values())
    report.broken += judge_all(report.history, registers, rows, sessions)
    middle_s = median_s(report.outages_s(KillLeader))
    if middle_s > OUTAGE_MEDIAN_S_MAX:
        report.broken.append(f"after the death of a leader writes wait {middle_s:.1f} s (median)")


def tell(found: Episode, began_s: float) -> None:
    """Print an episode's row."""
    print(
        f"{found.began_s - began_s:6.1f} s  {found.fault.name:30}{found.victims:18}"
        f"{found.outage_s:5.2f} s without writes, whole {found.healed_after_s:4.1f} s after",
        flush=True,
    )


def summary(report: Report) -> str:
    """The tables of a run, as text."""
    history = report.history
    lines = ["", f"{'without writes after':32}{'times':>6}{'median':>9}{'longest':>9}"]
    kinds = {type(episode.fault): episode.fault.name for episode in report.episodes}
    for kind, name in kinds.items():
        outages = report.outages_s(kind)
        middle_s, longest_s = median_s(outages), max(outages)
        lines.append(f"{name:32}{len(outages):6}{middle_s:7.2f} s{longest_s:7.2f} s")
    lines += [
        "",
        f"{history.calls} calls, {len(history.writes)} writes acknowledged, "
        f"slowest answer {history.slowest_s:.1f} s",
        f"  ({history.slowest})",
        f"{len(history.operations)} operations of registers, {len(history.steps)} steps of the "
        f"counter, {len(history.unique.acknowledged)} unique keys "
        f"(and {len(history.unique.unknown)} in doubt), "
        f"{len(history.sessions.acknowledged)} sessions",
        f"registers whose order was not found in time: {report.undecided_count}",
        "answers that were no success:",
        *(
            f"  {times:6} × {text[:150]}"
            for text, times in sorted(history.refusals.items(), key=lambda item: -item[1])
        ),
        *(f"BROKEN: {what}" for what in report.broken),
        "" if report.broken else "every promise was kept",
    ]
    return "\n".join(lines)
