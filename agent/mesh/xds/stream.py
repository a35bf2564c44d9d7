"""One gRPC stream of a proxy: its requests in, a session's answers out.

The proxy names itself in its first request; from then on it is given what it asks for, and what is
new. The libraries of protocol buffers are loaded on a thread when the first stream comes.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from agent.late_import import import_late
from agent.mesh.xds.grpc import (
    INVALID_ARGUMENT,
    UNAVAILABLE,
    UNIMPLEMENTED,
    BadFrame,
    Messages,
    wrapped,
)
from agent.mesh.xds.resources import resources_of
from agent.mesh.xds.session import Give, Session
from agent.mesh.xds.source import ConfigSource
from proxy.api import ProxyConfig
from proxy.http import Answer, Exchange, Fault, Headers, RequestHead, ResponseHead

if TYPE_CHECKING:
    from agent.mesh.xds.protobuf import Form

SERVICE: Final = b"/envoy.service.discovery.v3.AggregatedDiscoveryService/"
FORMS: Final = {
    SERVICE + b"StreamAggregatedResources": "StateOfTheWorld",
    SERVICE + b"DeltaAggregatedResources": "Delta",
}
CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
EARLY_BYTES_MAX: Final = 1024 * 1024  # kept while the libraries load, a second at most
AGAIN_S: Final = 1.0  # after a refusal: the own worker has freed a port long before

_log = structlog.get_logger("agent.mesh.xds")


class Streams:
    """Opens a stream for each call. An `Exchanges` of one connection, or of all."""

    def __init__(self, source: ConfigSource) -> None:
        self._source = source

    def open(self, head: RequestHead, answer: Answer) -> Exchange:
        """See `Exchanges.open`."""
        form = FORMS.get(head.target)
        if head.method != b"POST" or form is None:
            refuse(answer, UNIMPLEMENTED, "unknown service or method")
            return Refused()
        stream = Stream(self._source, answer, is_delta=form == "Delta")
        loading = import_late(lambda: load_form(form))
        loading.add_done_callback(stream.loaded)
        return stream

    def refused(self, status: int, detail: str) -> None:
        """See `Exchanges.refused`."""
        _log.warning("request refused", status=status, detail=detail)


def load_form(name: str) -> "Form":
    """The form of the protocol by name. Raises ImportError without the extra."""
    from agent.mesh.xds import protobuf

    return protobuf.Delta() if name == "Delta" else protobuf.StateOfTheWorld()


class Refused:
    """A call that was answered already."""

    def body(self, chunk: bytes) -> None:
        """See `Exchange`."""

    def end(self, trailers: Headers) -> None:
        """See `Exchange`."""

    def reset(self, fault: Fault) -> None:
        """See `Exchange`."""

    def answer_paused(self) -> None:
        """See `Exchange`."""

    def answer_resumed(self) -> None:
        """See `Exchange`."""


class Stream:
    """See the module. An `Exchange`."""

    def __init__(self, source: ConfigSource, answer: Answer, *, is_delta: bool) -> None:
        self._source = source
        self._answer = answer
        self._session = Session(is_delta=is_delta)
        self._messages = Messages()
        self._form: Form | None = None
        self._early = bytearray()
        self._proxy = ""
        self._unfollow: Callable[[], None] | None = None
        self._is_over = False
        self._is_paused = False
        self._newest: ProxyConfig | None = None
        self._again: asyncio.TimerHandle | None = None

    def loaded(self, loading: "asyncio.Future[Form]") -> None:
        """The libraries are there, or not."""
        if self._is_over:
            return
        if error := loading.exception():
            _log.error("cannot serve envoy", error=str(error), needs="proconsul[xds]")
            self._refuse(UNAVAILABLE, "the agent lacks the extra [xds]")
            return
        self._form = loading.result()
        self._answer.head(ResponseHead(status=200, headers=[CONTENT_TYPE]), end=False)
        early = bytes(self._early)
        self._early.clear()
        if early:
            self._take(early)

    def body(self, chunk: bytes) -> None:
        """See `Exchange`."""
        if self._is_over:
            return
        if self._form is not None:
            self._take(chunk)
        elif len(self._early) + len(chunk) <= EARLY_BYTES_MAX:
            self._early += chunk
        else:
            self._refuse(UNAVAILABLE, "too much at once")

    def end(self, trailers: Headers) -> None:
        """The proxy says no more: so do we."""
        if not self._is_over:
            self._finish(0, "")

    def reset(self, fault: Fault) -> None:
        """The proxy is gone."""
        self._over()

    def answer_paused(self) -> None:
        """Keep only the newest configuration until there is room."""
        self._is_paused = True

    def answer_resumed(self) -> None:
        """See `answer_paused`."""
        self._is_paused = False
        if self._newest is not None:
            newest, self._newest = self._newest, None
            self._changed(newest)

    def _take(self, chunk: bytes) -> None:
        assert self._form is not None
        try:
            for message in self._messages.feed(chunk):
                ask, node = self._form.read(message)
                if node and not self._proxy:
                    self._proxy = node
                    self._unfollow = self._source.follow(node, self._changed)
                self._give(self._session.ask(ask))
                if ask.error:
                    self._refused(ask.error)
        except (BadFrame, ValueError) as error:
            self._finish(INVALID_ARGUMENT, str(error))

    def _refused(self, reason: str) -> None:
        _log.warning("envoy refused", proxy=self._proxy, reason=reason, again_s=AGAIN_S)
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._give(self._session.again())

    def _changed(self, config: ProxyConfig) -> None:
        if self._is_over:
            return
        if self._is_paused:
            self._newest = config
            return
        self._give(self._session.replace(resources_of(config)))

    def _give(self, given: list[Give]) -> None:
        for give in given:
            assert self._form is not None
            self._answer.body(wrapped(self._form.written(give)))

    def _refuse(self, status: int, text: str) -> None:
        refuse(self._answer, status, text)
        self._over()

    def _finish(self, status: int, text: str) -> None:
        self._answer.end(status_headers(status, text))
        self._over()

    def _over(self) -> None:
        self._is_over = True
        if self._unfollow is not None:
            self._unfollow()
            self._unfollow = None
        if self._again is not None:
            self._again.cancel()
            self._again = None


def refuse(answer: Answer, status: int, text: str) -> None:
    """Answer without a message."""
    headers = [CONTENT_TYPE, *status_headers(status, text)]
    answer.head(ResponseHead(status=200, headers=headers), end=True)


def status_headers(status: int, text: str) -> Headers:
    """How a call ended, as gRPC tells it."""
    found: Headers = [(b"grpc-status", str(status).encode())]
    if text:
        found.append((b"grpc-message", text.encode("ascii", "replace")))
    return found
