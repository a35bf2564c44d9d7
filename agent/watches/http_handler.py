"""Sends a view to a watch's HTTP handler. Imported at the first such view: aiohttp is large.

Source: Consul, watches: the view as a body, with the header X-Consul-Index.
"""

import ssl
from typing import Final

import aiohttp
import structlog

from agent.checks.output import Tail
from agent.watches.definition import Http
from agent.watches.views import View
from catalog.duration import SECOND

OUTPUT_BYTES_MAX: Final = 4096  # of what a handler says, for the log; as Consul
_READ_BYTES: Final = 16 << 10

_log = structlog.get_logger("agent.watches")


async def send(http: Http, view: View) -> None:
    """Send a view and take the answer. Failures are logged."""
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
