"""Real serf agents beside nodes of ours: one pool of both, every process ended with its test."""

import asyncio
import base64
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

from gossip.endpoints import Endpoints
from gossip.surroundings import Settings
from tests.compat.peer import find_program
from tests.gossip.nodes import Node, make_node, until

# With the local profile each agent passes news on twice; in so small a pool one in ten members
# would miss it and hear of it only 15 s later. Ours tell everybody and repair every two seconds.
SURE: dict[str, Any] = {"retransmit_mult": 8, "gossip_nodes": 5, "push_pull_interval_s": 2.0}
COMMAND_S_MAX = 10.0
START_S_MAX = 10.0

# What serf logs when it cannot read, or does not believe, what we sent.
COMPLAINT = re.compile(
    r"\[ERR\]|not supported|Failed to decode|invalid checksum|incompatible|Rejected coordinate"
    r"|Failed to decrypt|unexpected"
)


_hosts = (f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250}.{n % 250 + 1}" for n in count())


def free_ports(host: str, number: int) -> list[int]:
    """Different ports that the kernel says are free for UDP and TCP."""
    with ExitStack() as held:
        return [held.enter_context(closing(Endpoints())).open(host, 0) for _ in range(number)]


class SerfAgent:
    """A serf process and its command line."""

    def __init__(self, name: str, directory: Path, keys: Sequence[str] = ()) -> None:
        # An address of its own, so that nobody takes a port between our asking and its start.
        host = next(_hosts)
        gossip_port, rpc_port = free_ports(host, 2)
        self.name = name
        self.place = f"{host}:{gossip_port}"
        self.keyring_path = directory / "keyring"
        self._rpc = f"{host}:{rpc_port}"
        self._log_path = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        if keys:
            self.keyring_path.write_text(json.dumps(list(keys)))

    async def start(self, *options: str) -> None:
        """Start it and wait until it takes commands."""
        keyring = [f"-keyring-file={self.keyring_path}"] if self.keyring_path.exists() else []
        with self._log_path.open("wb") as log:
            # It returns at once; the loop is not held up.
            self._process = subprocess.Popen(  # noqa: ASYNC220 - its output goes to a file
                [
                    find_program("serf"),
                    "agent",
                    f"-node={self.name}",
                    f"-bind={self.place}",
                    f"-rpc-addr={self._rpc}",
                    "-profile=local",
                    "-log-level=trace",
                    f"-event-handler=query:who=printf {self.name}",
                    *keyring,
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await until(lambda: "Serf agent running!" in self.log(), "serf runs", timeout_s=START_S_MAX)

    async def run(self, command: str, *words: str) -> str:
        """What a serf command prints; it fails the test when it fails."""
        return await asyncio.to_thread(self._run, command, words)

    def _run(self, command: str, words: Sequence[str]) -> str:
        done = subprocess.run(
            [find_program("serf"), command, f"-rpc-addr={self._rpc}", *words],
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        assert done.returncode == 0, f"serf {command} {words}: {done.stdout}{done.stderr}"
        return done.stdout

    async def members(self) -> dict[str, dict[str, Any]]:
        """Members by name, as ``serf members -format=json`` shows them."""
        listed = json.loads(await self.run("members", "-format=json"))
        return {member["name"]: member for member in listed["members"]}

    async def statuses(self) -> dict[str, str]:
        """Every member's status."""
        return {name: member["status"] for name, member in (await self.members()).items()}

    async def stop(self) -> None:
        """End it without a leave, but with the time to write its files."""
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, COMMAND_S_MAX)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it if it still runs, and show its last words beside a failure."""
        if self._process is not None:
            if self._process.poll() is None:
                self.kill()
            print(f"--- {self.name}\n{self.log()[-3000:]}")

    def log(self) -> str:
        """Everything it logged so far."""
        return self._log_path.read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Lines in which it says that it did not like what it got."""
        return [line for line in self.log().splitlines() if COMPLAINT.search(line)]


class Pool:
    """Nodes of ours and real ones."""

    def __init__(self, ours: list[Node], theirs: list[SerfAgent]) -> None:
        self.ours = ours
        self.theirs = theirs

    @property
    def names(self) -> set[str]:
        """All names."""
        return {member.name for member in (*self.ours, *self.theirs)}

    async def seen_as(
        self, status: str, *names: str, timeout_s: float = 14.0, but: Sequence[str] = ()
    ) -> None:
        """Wait until everybody (``but`` some) shows these members with this status."""
        for node in self.ours:
            if node.name not in but:
                await until(
                    partial_statuses(node, status, names),
                    f"{node.name} sees {names} {status}: {node.statuses()}",
                    timeout_s=timeout_s,
                )
        for agent in self.theirs:
            if agent.name in but:
                continue

            async def seen(agent: SerfAgent = agent) -> bool:
                statuses = await agent.statuses()
                return all(statuses.get(name) == status for name in names)

            await until(seen, f"{agent.name} sees {names} {status}", timeout_s=timeout_s)


def partial_statuses(node: Node, status: str, names: Sequence[str]) -> Callable[[], bool]:
    """Whether ``node`` shows all ``names`` with ``status``."""

    def seen() -> bool:
        statuses = node.statuses()
        return all(name in statuses and statuses[name].name.lower() == status for name in names)

    return seen


@asynccontextmanager
async def mixed_pool(
    directory: Path,
    *,
    keys: Sequence[bytes] = (),
    serf_joins: bool = True,
    compression: bool = True,
) -> AsyncIterator[Pool]:
    """Three nodes of ours and three real ones, joined by the real side or by ours."""
    key_texts = [encoded(key) for key in keys]
    ours = [
        make_node(
            f"ours-{number}",
            **SURE,
            settings=Settings(
                keyring_path=directory / f"ours-{number}.keyring" if keys else None,
                compression=compression,
            ),
            keys=tuple(keys),
            tags={"side": "ours", "number": str(number)},
        )
        for number in range(3)
    ]
    theirs = [
        SerfAgent(f"serf-{number}", directory / f"serf-{number}", key_texts) for number in range(3)
    ]
    pool = Pool(ours, theirs)
    try:
        await asyncio.gather(*[node.gossip.start() for node in ours])
        options = ["-tag=side=serf"]
        options += [f"-join={ours[0].place}"] if serf_joins else []
        options += [] if compression else ["-disable-compression"]
        await asyncio.gather(*[agent.start(*options) for agent in theirs])
        for node in ours:
            others = [theirs[0].place] if serf_joins else [agent.place for agent in theirs]
            assert len(others) == await node.gossip.join(others)
        yield pool
    finally:
        for agent in theirs:
            agent.end()
        await asyncio.gather(*[node.stop() for node in ours])


def encoded(key: bytes) -> str:
    """A key as files and commands have it."""
    return base64.b64encode(key).decode()
