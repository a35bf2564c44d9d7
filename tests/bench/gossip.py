"""The command line of scripts/bench gossip: pools of serf's and of ours in turn, and a table.

Everything runs in namespaces of its own: its addresses and ports are nobody else's, its loopback
carries nothing but the pool that is being measured, and no process outlives the run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tests.bench.gossip_measure import (
    CPU,
    EVENT,
    FAILURE,
    JOIN,
    MEASUREMENTS,
    MEMORY,
    MEMORY_STARTED,
    measure,
)
from tests.bench.gossip_pools import KINDS, Pool
from tests.system.agent_process import ROOT

AGENTS_MAX = 100  # each has an address 127.0.0.N and some 60 MiB
INSIDE = "--inside"  # of the namespaces
# The processes inside end with the first one, and that one with unshare, however it ends.
NAMESPACES = ("--net", "--pid", "--mount-proc", "--fork", "--kill-child")
# Brings up the loopback of the new namespace, then goes on as the program itself.
ENTER = 'ip link set lo up && exec "$@"'
# At most this many times serf's value; a time that is no longer than serf's keeps the bound.
RATIO_MAX = {JOIN: 1.0, EVENT: 1.0, FAILURE: 1.0, CPU: 3.0}
# A wait begins at any moment of a timer's interval (gossip 0.2 s, probes 1 s), so values that are
# closer than one interval are even.
INTERVAL_S = {JOIN: 0.2, EVENT: 0.2, FAILURE: 1.0}
CLIENT_MEBIBYTES_MAX = 50.0


Verdict = Literal["ok", "even", "MISSED"]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one pool showed: its kind, size, round, and a value for each measurement."""

    kind: str
    agents: int
    round: int
    values: dict[str, float]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: the medians of the rounds, by kind."""

    agents: int
    measurement: str
    medians: dict[str, float]

    def ratio(self, kind: str) -> float | None:
        """A kind's value in serf's; None unless both were measured."""
        serf, ours = self.medians.get("serf"), self.medians.get(kind)
        return ours / serf if serf and ours is not None else None

    def verdict(self, kind: str) -> Verdict | None:
        """Whether a kind keeps its bound; None if it has none."""
        if kind == "client" and self.measurement in {MEMORY, MEMORY_STARTED}:
            return "ok" if self.medians[kind] <= CLIENT_MEBIBYTES_MAX else "MISSED"
        ratio, bound = self.ratio(kind), RATIO_MAX.get(self.measurement)
        if ratio is None or bound is None or kind == "serf":
            return None
        if ratio <= bound:
            return "ok"
        above_s = self.medians[kind] - self.medians["serf"] * bound
        return "even" if above_s < INTERVAL_S.get(self.measurement, 0.0) else "MISSED"

    @property
    def target(self) -> str:
        """The bound, for a reader."""
        if self.measurement in {MEMORY, MEMORY_STARTED}:
            return f"client ≤ {CLIENT_MEBIBYTES_MAX:g}"
        bound = RATIO_MAX.get(self.measurement)
        return "" if bound is None else f"≤ {bound:g} × serf"


def main(argv: list[str]) -> int:
    """Measure what the arguments ask for. 1 if a target is missed, else 0."""
    if INSIDE not in argv:
        enter_namespace(argv)
    arguments = parse(argv)
    wanted = [kind for kind in KINDS if kind.kind in arguments.kinds]
    began, load_before = time.monotonic(), os.getloadavg()[0]
    seen = list(run(arguments.agents, wanted, arguments.rounds, arguments.idle))
    rows = rows_of(seen)
    print(render(rows))
    took_s = time.monotonic() - began
    print(f"{took_s:.0f} s; load before {load_before:.1f}, after {os.getloadavg()[0]:.1f}")
    write(seen, load_before)
    verdicts = {row.verdict(kind) for row in rows for kind in row.medians}
    return 1 if "MISSED" in verdicts else 0


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments; ends the program when they are wrong."""
    names = [kind.kind for kind in KINDS]
    parser = argparse.ArgumentParser(prog="scripts/bench gossip")
    parser.add_argument("--agents", type=sizes, default=[5, 20], help="sizes, such as 5,20,50")
    parser.add_argument("--rounds", type=int, default=1, help="times that the kinds take turns")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds that costs are taken of")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=names)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.kinds) - set(names):
        parser.error(f"--kinds: {min(unknown)!r}: use {','.join(names)}")
    return arguments


def sizes(text: str) -> list[int]:
    """Sizes of pools; failures need survivors."""
    numbers = [int(part) for part in text.split(",")]
    if not all(4 <= number <= AGENTS_MAX for number in numbers):
        raise argparse.ArgumentTypeError(f"use 4 to {AGENTS_MAX} agents")
    return numbers


def enter_namespace(argv: list[str]) -> None:
    """Become this program in namespaces of its own. Does not return."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    program = [sys.executable, "-m", "tests.bench.gossip", *argv, INSIDE]
    command = ["unshare", *user, *NAMESPACES, "sh", "-c", ENTER, "sh", *program]
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execvp(command[0], command)


def run(
    agents: Iterable[int], kinds: list[type[Pool]], rounds: int, idle_s: float
) -> Iterator[Measured]:
    """Every pool in turn; the kinds alternate, so that a noisy neighbour hits all of them."""
    for size in agents:
        for number in range(rounds):
            for kind in kinds:
                began = time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    values = measure(kind(size, Path(folder)), idle_s=idle_s)
                took_s = time.monotonic() - began
                print(f"{kind.kind}, {size} agents: measured in {took_s:.0f} s", flush=True)
                yield Measured(kind=kind.kind, agents=size, round=number, values=values)


def rows_of(seen: list[Measured]) -> list[Row]:
    """The table's lines: by size, then by measurement."""
    kinds = dict.fromkeys(each.kind for each in seen)
    rows = []
    for size in dict.fromkeys(each.agents for each in seen):
        for name in MEASUREMENTS:
            taken = {
                kind: [m.values[name] for m in seen if m.kind == kind and m.agents == size]
                for kind in kinds
            }
            medians = {kind: statistics.median(values) for kind, values in taken.items() if values}
            rows.append(Row(agents=size, measurement=name, medians=medians))
    return rows


def render(rows: list[Row]) -> str:
    """The table: values, our values in serf's, the target, and who misses it."""
    head = f"{'agents':>6}  {'measurement':24} {'serf':>8} {'bare':>8} {'client':>8}"
    head += f" {'bare/serf':>10} {'client/serf':>12}  {'target':14} verdict"
    return "\n".join([head, *(line(row) for row in rows)])


def line(row: Row) -> str:
    """One row of the table."""
    values = " ".join(f"{number(row.medians.get(kind)):>8}" for kind in ("serf", "bare", "client"))
    ratios = f"{number(row.ratio('bare')):>10} {number(row.ratio('client')):>12}"
    verdicts = {kind: row.verdict(kind) for kind in row.medians}
    verdict = ", ".join(f"{kind} {each}" for kind, each in verdicts.items() if each)
    return f"{row.agents:6}  {row.measurement:24} {values} {ratios}  {row.target:14} {verdict}"


def number(value: float | None) -> str:
    """A value in few digits; nothing for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def write(seen: list[Measured], load_before: float) -> None:
    """Keep all rounds beside a note of where they were taken."""
    folder = ROOT / "bench-results"
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    version = subprocess.run(["serf", "version"], capture_output=True, text=True, check=True)
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "serf": version.stdout.splitlines()[0],
        "load_before": load_before,
    }
    report = {"time": stamp, "machine": machine, "pools": msgspec.to_builtins(seen)}
    (folder / f"gossip-{stamp}.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
