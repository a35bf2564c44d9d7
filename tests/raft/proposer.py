"""A process that proposes without end and prints each acknowledged index: to be killed.

Usage: ``python -m tests.raft.proposer DIRECTORY``. Commands are the numbers that it goes on from.
"""

import asyncio
import sys
from pathlib import Path

from tests.raft.machines import ALONE, Journal, durable, make_driver

PROPOSERS = 16  # at once, so that a kill falls into group commits
SNAPSHOT_EVERY = 400  # acknowledged commands


async def main(directory: Path) -> None:
    driver = make_driver(Journal(), durable(directory))
    await driver.start(ALONE)
    print("ready", flush=True)

    async def propose(name: int) -> None:
        number = 0
        while True:
            command = f"{driver.term}/{name}/{number}"
            index, count = await driver.propose(command.encode())
            assert isinstance(count, int)
            sys.stdout.write(f"{index} {command}\n")
            sys.stdout.flush()
            if count % SNAPSHOT_EVERY == 0:
                await driver.snapshot()
            number += 1

    await asyncio.gather(*(propose(name) for name in range(PROPOSERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
