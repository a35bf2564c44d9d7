"""The command line of a benchmark beside a peer: a table as it grows, and JSON."""

import argparse
import fnmatch
import os
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from tests.bench.load import LoadError
from tests.bench.measure import Pace, Result
from tests.bench.report import line, write

SECONDS_MAX = 60
ROUNDS_MAX = 20


class Benchmark(msgspec.Struct, frozen=True):
    """What is called how (``scripts/bench NAME``), beside whom, with which sample of ``--only``."""

    name: str
    peer: str
    sample: str
    results: Callable[[Pace, Callable[[str], bool]], Iterator[Result]]


def main(benchmark: Benchmark, argv: list[str]) -> int:
    """Measure what the arguments ask for. 1 if a target is missed, else 0."""
    arguments = parse(benchmark, argv)
    pace = Pace(seconds=arguments.seconds, rounds=arguments.rounds)
    began, load_before = time.monotonic(), os.getloadavg()[0]
    print(f"{'measurement':28} {'value':>10} {'unit':10} {'target':>8}  {'':7}detail")
    seen: list[Result] = []
    failure: LoadError | None = None
    try:
        for result in benchmark.results(pace, lambda name: fnmatch.fnmatch(name, arguments.only)):
            seen.append(result)
            print(line(result), flush=True)
    except LoadError as error:
        failure = error
        print(f"scripts/bench {benchmark.name}: {error}", file=sys.stderr)
    took_s = time.monotonic() - began
    print(f"{took_s:.0f} s; load before {load_before:.1f}, after {os.getloadavg()[0]:.1f}")
    write(seen, pace, kind=f"{benchmark.name}-")
    return 0 if failure is None and all(result.met for result in seen) else 1


def parse(benchmark: Benchmark, argv: list[str]) -> argparse.Namespace:
    """The arguments; ends the program when they are wrong."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {benchmark.name}")
    parser.add_argument(
        "--rounds", type=int, default=3, help=f"alternations of {benchmark.peer} and ours"
    )
    parser.add_argument("--seconds", type=int, default=5, help="length of each load")
    parser.add_argument("--only", default="*", help=f"glob of names, such as {benchmark.sample}")
    arguments = parser.parse_args(argv)
    for name, most in (("rounds", ROUNDS_MAX), ("seconds", SECONDS_MAX)):
        if not 1 <= getattr(arguments, name) <= most:
            parser.error(f"--{name}: use 1 to {most}")
    return arguments
