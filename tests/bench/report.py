"""The command line of scripts/bench: run, print a table as it grows, write JSON."""

import argparse
import fnmatch
import json
import os
import platform
import time
from dataclasses import asdict

from tests.bench.measure import Pace, Result, results
from tests.system.agent_process import ROOT


def main() -> int:
    """Measure what the arguments ask for. 1 if a target is missed, else 0."""
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of bare and product")
    parser.add_argument("--seconds", type=int, default=3, help="length of each load")
    parser.add_argument("--only", default="*", help='glob of names, such as "KV*"')
    arguments = parser.parse_args()
    pace = Pace(seconds=arguments.seconds, rounds=arguments.rounds)
    seen: list[Result] = []
    print(f"{'measurement':28} {'value':>10} {'unit':10} {'target':>8}  {'':7}detail")
    for result in results(pace, lambda name: fnmatch.fnmatch(name, arguments.only)):
        seen.append(result)
        print(line(result), flush=True)
    write(seen, pace)
    return 0 if all(result.met for result in seen) else 1


def line(result: Result) -> str:
    """One row of the table."""
    value = f"{result.value:,.0f}" if result.value >= 1000 else f"{result.value:.2f}"
    bound = "" if result.target is None else f"{'≥' if result.at_least else '≤'} {result.target:g}"
    verdict = "" if result.target is None else ("ok" if result.met else "MISSED")
    return f"{result.name:28} {value:>10} {result.unit:10} {bound:>8}  {verdict:7}{result.detail}"


def write(seen: list[Result], pace: Pace, kind: str = "") -> None:
    """Keep the results beside a note of where they were taken; the file's name begins with kind."""
    folder = ROOT / "bench-results"
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    rows = [asdict(result) | {"met": result.met} for result in seen]
    report = {"time": stamp, "machine": machine, "pace": asdict(pace), "results": rows}
    (folder / f"{kind}{stamp}.json").write_text(json.dumps(report, indent=2) + "\n")
