"""Runs a watch's handler with a view: a command or an HTTP request, both within a time.

Source: Consul, watches: the view on standard input and CONSUL_INDEX.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, assert_never

import structlog

from agent.checks.output import Tail
from agent.child_process import ChildProcess
from agent.late_import import import_late
from agent.watches.definition import Http, Script
from agent.watches.views import View

SCRIPT_TIMEOUT_S: Final = 3600.0  # a command that hangs would stop its watch for ever
OUTPUT_BYTES_MAX: Final = 4096  # of what a handler says, for the log; as Consul

_log = structlog.get_logger("agent.watches")


async def run_handler(handler: Script | Http, view: View) -> None:
    """Run a handler to its end. Failures are logged: the next view gets its own try."""
    match handler:
        case Script():
            await _run_script(handler, view)
        case Http():
            await _send(handler, view)
        case _:
            assert_never(handler)


async def _run_script(script: Script, view: View) -> None:
    log = _log.bind(command=script.arguments[0])
    output = Tail(OUTPUT_BYTES_MAX)
    try:
        child = await ChildProcess.start(
            script.arguments,
            output.write,
            environment={"CONSUL_INDEX": str(view.index)},
            stdin=view.body,
        )
    except (OSError, ValueError) as error:
        log.error("watch handler did not start", error=str(error))
        return
    try:
        async with asyncio.timeout(SCRIPT_TIMEOUT_S):
            code = await child.wait()
    except TimeoutError:
        log.error("watch handler took too long", limit_s=SCRIPT_TIMEOUT_S, output=output.text())
        return
    finally:
        await child.end()
    if code:
        log.error("watch handler failed", exit_code=code, output=output.text())
    else:
        log.debug("watch handler ran", output=output.text())


async def _send(http: Http, view: View) -> None:
    try:
        send = await import_late(_import_send)
    except (ImportError, OSError) as error:
        _log.error("watch handler did not start", url=http.url, error=str(error))
        return
    await send(http, view)


def _import_send() -> Callable[[Http, View], Coroutine[Any, Any, None]]:
    from agent.watches.http_handler import send

    return send
