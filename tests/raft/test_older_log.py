"""A directory that a server wrote before servers replicated is read like one of today.

`older_log.json` holds its files: a snapshot up to index 5, the log with its mark, three commands
behind it. Files are zeros from where their content ends. A change of format needs a new version in
the segments' heads, and such a directory of the old one.
"""

import base64
import json
from pathlib import Path

from raft.durable import DurableStorage
from tests.raft.machines import ALONE, SERVER_ID, Journal, make_driver

OLDER_LOG = Path(__file__).with_name("older_log.json")
COMMANDS = [b"before-0", b"before-1", b"before-2", b"after-0", b"after-1", b"after-2"]


def unpack(directory: Path) -> None:
    for name, file in json.loads(OLDER_LOG.read_text()).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file["content"]).ljust(file["bytes"], b"\0"))


async def test_an_older_log_is_read_and_goes_on(tmp_path: Path) -> None:
    unpack(tmp_path)
    machine = Journal()
    driver = make_driver(machine, DurableStorage(tmp_path, SERVER_ID))

    await driver.start(ALONE)
    index, _ = await driver.propose(b"today")
    await driver.stop()

    assert [command for _, command in machine.commands] == [*COMMANDS, b"today"]
    assert machine.commands[3][0] == 6, "the commands behind the snapshot keep their indexes"
    assert index == machine.commands[-1][0] > 8
    assert driver.configuration == ALONE
