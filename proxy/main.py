"""The worker's program, ``python -m proxy --feed PATH``; only it knows the clocks and chance.

Exit codes: 0 after an orderly end, 1 if it could not begin.
"""

import argparse
import asyncio
import gc
import logging
import random  # noqa: TID251 - the one generator of the process
import resource
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from proxy.output import Output
from proxy.parts import make_parts
from proxy.worker import Options, Worker, World

SWITCH_INTERVAL_S: Final = 0.001  # for which a thread computes while the loop waits for it
GC_THRESHOLDS: Final = (50_000, 20, 100)  # young objects; young, and middle-aged, collections
ORPHAN_S: Final = 900.0  # an agent that is upgraded or repaired is back by then

_log = logging.getLogger("proxy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until its end."""
    given = _parser().parse_args(arguments)
    output = Output(given.log) if given.log else None
    _set_up_log()
    options = Options(
        feed=given.feed,
        version=given.worker_version,
        slot=given.slot,
        only=tuple(given.only) if given.only else None,
        adopt=given.adopt,
        orphan_s=given.orphan_s,
    )
    _make_room()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(options, output))


def _make_room() -> None:
    """Let the process have as many sockets as the system allows, and keep its pauses short.

    A collection walks all that is not frozen, in one piece, while requests wait; a thread that
    loads a library would hold them up by five times as much as it has to.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _live(options: Options, output: Output | None) -> int:
    tasks = _Tasks()
    world = World(
        now_s=time.monotonic,  # noqa: TID251 - the one reader of the clock in a worker
        wall_s=time.time,  # noqa: TID251 - the one reader of the clock in a worker
        # Of ids and draws, none of which is a secret: the system's would be a call for each.
        random=random.Random().random,  # noqa: S311 - as said
        start=tasks.start,
        each_second=output.check if output is not None else _nothing,
    )
    worker = Worker(options, world, make_parts)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.end)
    return await worker.run()


class _Tasks:
    """Keeps tasks from being lost, and says which one failed."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task %s failed", task.get_name(), exc_info=error)


def _nothing() -> None:
    """Output that is not ours needs no care."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proxy", description="Serve the traffic of proxies, as their agent says."
    )
    parser.add_argument("--feed", type=Path, required=True, help="the agent's Unix socket")
    parser.add_argument("--slot", type=int, default=0, help="number among the agent's workers")
    parser.add_argument("--only", action="append", metavar="ID", help="serve this proxy alone")
    parser.add_argument(
        "--adopt", type=Path, metavar="PATH", help="take the sockets of the worker at PATH"
    )
    parser.add_argument(
        "--orphan-s",
        type=float,
        default=ORPHAN_S,
        metavar="SECONDS",
        help="end after so long without an agent (default %(default).0f)",
    )
    parser.add_argument("--log", type=Path, help="have stdout and stderr in this file")
    parser.add_argument("--worker-version", default="", help="told to the agent")
    return parser


def _set_up_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
