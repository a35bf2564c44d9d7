"""One bare gossip node: the least that a process of ours can be in a pool.

It says on standard output what it hears, one line each, and takes one command a line on standard
input: ``join ADDRESS`` or ``event NAME``. It ends with its standard input.

    python -m tests.bench.gossip_node NAME ADDRESS [TAG=VALUE ...]
"""

import asyncio
import secrets
import sys
from random import SystemRandom

import uvloop
from typing_extensions import override

from agent.clock import monotonic_s
from agent.tasks import Tasks
from gossip.core.config import lan
from gossip.core.effects import Change
from gossip.core.types import Address, Member, UserEvent
from gossip.driver import Gossip
from gossip.surroundings import Settings, SilentListener, Surroundings

PORT = 7946  # each node has an address of its own


class Speaker(SilentListener):
    """Prints what happens."""

    @override
    def members_changed(self, change: Change, members: tuple[Member, ...]) -> None:
        for member in members:
            say(f"{change.value} {member.name}")

    @override
    def event_received(self, event: UserEvent) -> None:
        say(f"event {event.name}")


def say(line: str) -> None:
    """Print now: whoever reads takes the time."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run(name: str, host: str, *tags: str) -> None:
    """Be a node until standard input ends."""
    tasks = Tasks()
    surroundings = Surroundings(
        monotonic_s=monotonic_s,
        rng=SystemRandom(),
        nonce=lambda: secrets.token_bytes(12),
        start_task=tasks.start,
    )
    address = Address(bytes(int(part) for part in host.split(".")), PORT)
    config = lan(name, address, tags=dict(tag.split("=", 1) for tag in tags))
    node = Gossip(config, Settings(), surroundings, listener=Speaker())
    await node.start()
    say("ready")
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        match line.decode().split():
            case ["join", place]:
                await node.join([place])
            case ["event", event]:
                await node.user_event(event, b"")
            case other:
                raise ValueError(f"command {other!r}: use join ADDRESS or event NAME")
    await node.shutdown()
    await tasks.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(*sys.argv[1:]))
