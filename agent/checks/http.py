"""HTTP check: one request; 2xx is passing, 429 warning, anything else critical.

Each run opens its own connection, so that a dead listener behind a living connection is seen.
The head of the body is kept as output. Source: Consul API, HTTP + Interval checks.
"""

from typing import Final

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from agent.checks.definition import CheckType
from agent.checks.dial import reason
from agent.checks.outcome import Outcome, critical
from agent.checks.output import head, head_of_bytes
from agent.checks.settings import NETWORK_TIMEOUT_NS, timeout_ns
from agent.checks.tls import ClientTls, TlsDemand
from catalog.duration import SECOND
from catalog.rows.check import CRITICAL, PASSING, WARNING

USER_AGENT: Final = "Consul Health Check"
ACCEPT: Final = "text/plain, text/*, */*"
REDIRECTS_MAX: Final = 10  # a loop ends here; as Go's client
BODY_BYTES_MAX: Final = 1 << 20  # read to count the output's size; an endless body ends here
HEADER_BYTES_MAX: Final = 64 << 10  # of one header field; large cookies are no ill health
_AUTOMATIC_HEADERS: Final = (hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class HttpProbe:
    """Sends the request of a definition and judges the status of the answer."""

    def __init__(self, definition: CheckType, client_tls: ClientTls, output_bytes: int) -> None:
        self._definition = definition
        self._client_tls = client_tls
        self._output_bytes = output_bytes
        self._method = definition.method or hdrs.METH_GET
        self._headers = request_headers(definition)
        self._timeout_s = timeout_ns(definition, NETWORK_TIMEOUT_NS) / SECOND

    async def run(self) -> Outcome:
        """The judged answer, or critical with the failed step and its cause."""
        try:
            return await self._ask()
        except TimeoutError:
            cause = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        except aiohttp.TooManyRedirects:
            cause = f"stopped after {REDIRECTS_MAX} redirects"
        except aiohttp.ClientConnectorCertificateError as error:
            cause = f"tls: failed to verify certificate: {error.certificate_error}"
        except aiohttp.ClientConnectorDNSError as error:
            cause = f"dial tcp: lookup {error.host}: no such host"
        except aiohttp.ClientConnectorError as error:
            cause = f"dial tcp {error.host}:{error.port}: connect: {reason(error.os_error)}"
        except aiohttp.InvalidURL:
            cause = "unsupported or malformed URL, want http:// or https:// and a host"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = str(error) or type(error).__name__
        verb = self._method.capitalize()
        return critical(head(f'{verb} "{self._definition.http}": {cause}', self._output_bytes))

    async def _ask(self) -> Outcome:
        definition = self._definition
        async with (
            self._session() as session,
            session.request(
                self._method,
                URL(definition.http),
                headers=self._headers,
                skip_auto_headers=_AUTOMATIC_HEADERS,
                data=definition.body.encode() or None,
                allow_redirects=not definition.disable_redirects,
                max_redirects=REDIRECTS_MAX,
                server_hostname=definition.tls_server_name or None,
            ) as answer,
        ):
            body = await self._body_text(answer)
            return Outcome(
                _judge(answer.status),
                f"HTTP {self._method} {definition.http}: "
                f"{answer.status} {answer.reason or ''} Output: {body}",
            )

    def _session(self) -> aiohttp.ClientSession:
        """A session for one run, which keeps nothing: no connection, cookie or address."""
        demand = TlsDemand(skip_verify=self._definition.tls_skip_verify)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._client_tls.context(demand), force_close=True, use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            middlewares=(_host_for(URL(self._definition.http)),),
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            auto_decompress=False,  # a compressed body must not grow in memory
        )

    async def _body_text(self, answer: aiohttp.ClientResponse) -> str:
        """The head of the body. A body that breaks off is no failure: the status has come."""
        kept = bytearray()
        body_bytes = 0
        try:
            async for chunk in answer.content.iter_any():
                kept += chunk[: max(0, self._output_bytes - len(kept))]
                body_bytes += len(chunk)
                if body_bytes >= BODY_BYTES_MAX:
                    break
        except (aiohttp.ClientError, TimeoutError):
            pass
        more = "+" if body_bytes >= BODY_BYTES_MAX else ""
        return head_of_bytes(bytes(kept), self._output_bytes, content_bytes=body_bytes, more=more)


def request_headers(definition: CheckType) -> CIMultiDict[str]:
    """The headers of a request: those of the definition, and defaults where it has none."""
    headers: CIMultiDict[str] = CIMultiDict()
    for name, values in definition.header.items():
        for value in values:
            headers.add(name, value)
    headers.setdefault(hdrs.USER_AGENT, USER_AGENT)
    headers.setdefault(hdrs.ACCEPT, ACCEPT)
    return headers


def _host_for(first: URL) -> aiohttp.ClientMiddlewareType:
    """Let a Host header of the definition name the first server only, not where it redirects."""

    async def with_own_host(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.url.origin() != first.origin():
            request.headers[hdrs.HOST] = request.url.host_port_subcomponent or ""
        return await handler(request)

    return with_own_host


def _judge(status: int) -> str:
    if 200 <= status < 300:
        return PASSING
    return WARNING if status == 429 else CRITICAL
