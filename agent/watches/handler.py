"""Runs a watch's handler with a view: a command or an HTTP request, both within a time.

Source: Consul, watches: the view on standard input and CONSUL_INDEX, or as a body with the header
X-Consul-Index.
"""

import asyncio
import ssl
from typing import Final, assert_never

import aiohttp
import structlog

from agent.checks.output import Tail
from agent.child_process import ChildProcess
from agent.watches.definition import Http, Script
from agent.watches.views import View
from catalog.duration import SECOND

SCRIPT_TIMEOUT_S: Final = 3600.0  # a command that hangs would stop its watch for ever
OUTPUT_BYTES_MAX: Final = 4096  # of what a handler says, for the log; as Consul
_READ_BYTES: Final = 16 << 10

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
    log = _log.bind(url=http.url)
    output = Tail(OUTPUT_BYTES_MAX)
    headers = [
        ("Content-Type", "application/json"),
        ("X-Consul-Index", str(view.index)),
        *http.headers,
    ]
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=_tls(http), force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=http.timeout_ns / SECOND),
            ) as session,
            session.request(http.method, http.url, data=view.body, headers=headers) as answer,
        ):
            async for chunk in answer.content.iter_chunked(_READ_BYTES):
                output.write(chunk)
            status = answer.status
    except (aiohttp.ClientError, OSError, ValueError) as error:
        log.error("watch handler did not answer", error=str(error) or type(error).__name__)
        return
    if 200 <= status < 300:
        log.debug("watch handler answered", status=status, output=output.text())
    else:
        log.error("watch handler refused", status=status, output=output.text())


def _tls(http: Http) -> ssl.SSLContext | bool:
    # False is aiohttp's word for a connection that checks no certificate.
    return not http.tls_skip_verify
