"""What speaks with an Envoy on an accepted connection: HTTP/2, with discovery streams above it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from typing_extensions import override

from agent.mesh.xds.source import ConfigSource
from agent.mesh.xds.stream import Streams
from proxy.api import FilterChain, Listener, ProxyConfig
from proxy.chain_serving import ChainServing, ProxyState, Surroundings
from proxy.connection import Facts, Handler
from proxy.deadlines import Deadlines
from proxy.http import RequestHead
from proxy.http2_server import Http2Server
from proxy.notices import Notices
from proxy.serving import Record, Recorder, Serving

Start = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Speaker:
    """Makes the handler of each connection. ``now_s`` is monotonic, ``random`` in [0, 1)."""

    def __init__(
        self,
        source: ConfigSource,
        *,
        now_s: Callable[[], float],
        random: Callable[[], float],
        start: Start,
    ) -> None:
        loop = asyncio.get_running_loop()
        around = Surroundings(
            now_s=now_s,
            random=random,
            start=start,
            call_later=loop.call_later,
            make_recorder=_Unrecorded,
            notices=Notices(soon=loop.call_soon, now_s=now_s, failed=_failed),
        )
        nothing = ProxyState(ProxyConfig(id="grpc", service=""))
        listener = Listener(name="grpc", direction="exposed")
        self._serving = ChainServing(nothing, listener, FilterChain(protocol="grpc"), around)
        self._streams = Streams(source)

    def handler(self) -> Handler:
        """The handler of one connection."""
        serving = self._serving
        deadlines = Deadlines(serving.now_s, serving.call_later)
        return Http2Server(serving, self._streams, deadlines)


class _Unrecorded(Recorder):
    """Streams of Envoys are no traffic of the mesh."""

    def __init__(self, _serving: Serving) -> None:
        pass

    @override
    def opened(self, record: Record) -> None:
        pass

    @override
    def closed(self, record: Record) -> None:
        pass

    @override
    def trace(self, head: RequestHead, record: Record) -> None:
        pass

    @override
    def finished(self, record: Record) -> None:
        pass

    @override
    def handshake_failed(self, facts: Facts, reason: str) -> None:
        pass


def _failed(error: Exception) -> None:
    raise error
