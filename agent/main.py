"""The program: ``proconsul``. The command line is in agent.cli; ``agent`` starts here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from agent.config import RuntimeConfig

SWITCH_INTERVAL_S: Final = 0.001  # for which a thread computes while the loop waits for it


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    from agent.cli.main import main as run_command

    return run_command(argv)


def run_agent(argv: list[str]) -> int:
    """Run the agent until it is told to end. Errors at start are one line on stderr, exit 1."""
    # Imported here: the other commands start faster without them.
    import socket

    from agent.config import ConfigError, help_text, load, parse_flags, read_interfaces
    from agent.identity import IdentityError

    try:
        flags = parse_flags(argv)
        if flags.help:
            sys.stdout.write(help_text())
            return 0

        def read() -> RuntimeConfig:
            return load(flags, interfaces=read_interfaces(), hostname=socket.gethostname())

        return _serve(read(), read)
    except (ConfigError, IdentityError) as error:
        sys.stderr.write(f"==> {error}\n")
        return 1


def _serve(config: RuntimeConfig, read: Callable[[], RuntimeConfig]) -> int:
    # The log prints no rich tracebacks; structlog would load 3 MiB for them.
    sys.modules.setdefault("rich", cast("ModuleType", None))

    # A thread that computes (a snapshot is written, a library loads) lets the loop in five times as
    # often as it would by default: heartbeats must not wait.
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    import asyncio

    import uvloop

    from agent.banner import banner
    from agent.lifecycle import Lifecycle
    from agent.settings import log_settings
    from agent.telemetry.logs import set_up
    from catalog.errors import CatalogError
    from raft.errors import RaftError

    async def live() -> int:
        lifecycle = Lifecycle(config, read, log_hub)
        await lifecycle.run()
        return lifecycle.exit_code

    log_hub = set_up(log_settings(config), sys.stdout)
    sys.stdout.write(banner(config))
    sys.stdout.flush()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(live())
    except OSError as error:
        sys.stderr.write(f"==> Error starting agent: {error}\n")
        return 1
    except (RaftError, CatalogError) as error:
        sys.stderr.write(f"==> Error starting agent: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
