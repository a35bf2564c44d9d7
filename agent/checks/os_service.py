"""Service of the operating system: passing while its unit is active. Linux with systemd only.

Consul has this type on Windows alone, where it asks the service control manager.
"""

import shutil
from typing import Final

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome, critical, passing
from agent.checks.script import run_command
from agent.checks.settings import COMMAND_TIMEOUT_NS, timeout_ns
from catalog.rows.check import WARNING

PROGRAM: Final = "systemctl"
STATE_BYTES_MAX: Final = 256  # one word, or one line of complaint
_BETWEEN: Final = frozenset({"activating", "deactivating", "reloading", "maintenance"})


class OsServiceProbe:
    """Asks systemd for the state of one unit."""

    def __init__(self, definition: CheckType, program: str = PROGRAM) -> None:
        self._service = definition.os_service
        self._program = program
        self._timeout_ns = timeout_ns(definition, COMMAND_TIMEOUT_NS)

    async def run(self) -> Outcome:
        """Passing if active, warning while it changes state, else critical with the state."""
        program = shutil.which(self._program)
        if program is None:
            return critical(
                f'OS service checks need systemd on this host: "{self._program}" is not found'
            )
        # "--" ends the options: a unit name that starts with a dash stays a name.
        asked = await run_command(
            (program, "is-active", "--", self._service), STATE_BYTES_MAX, self._timeout_ns
        )
        return self._judge(asked)

    def _judge(self, asked: Outcome) -> Outcome:
        state = asked.output.strip()
        if asked.at_once:
            return Outcome(asked.status, asked.output)
        if state == "active":
            return passing(f'Service "{self._service}" is healthy')
        text = f'Service "{self._service}" is {state or "unknown"}'
        return Outcome(WARNING, text) if state in _BETWEEN else critical(text)
