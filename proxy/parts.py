"""Makes the worker out of its parts: the only file that knows which ones they are."""

import asyncio
import importlib
import sys
from typing import Final

from proxy.api import Cluster, ProxyConfig
from proxy.chain_serving import Surroundings
from proxy.connection import Facts, Handler, HandlerFactory
from proxy.dial import connect
from proxy.l4 import TcpProxy
from proxy.listener import Acceptor, bind
from proxy.runtime import ClusterAtWork, Parts
from proxy.serving import Choice, Serving
from proxy.tls import Contexts
from proxy.upstream import ClusterUpstream

_HTTP: Final = "proxy.http_server"


def make_parts(around: Surroundings) -> Parts:
    """What proxies are made of in a real worker."""

    def make_upstream(cluster: Cluster, contexts: Contexts) -> ClusterAtWork:
        async def dial(
            choice: Choice, make: HandlerFactory, alpn: tuple[str, ...], timeout_s: float
        ) -> None:
            await connect(choice.endpoint, choice.group.tls, contexts, make, alpn, timeout_s)

        return ClusterUpstream(cluster, dial, around.now_s, around.random)

    def make_handler(serving: Serving, facts: Facts) -> Handler:
        if serving.chain.protocol == "tcp":
            return TcpProxy(serving, facts)
        from proxy.http_server import HttpServer  # loaded by `prepare`

        return HttpServer(serving, facts)

    return Parts(
        bind=bind,
        make_acceptor=Acceptor,
        make_handler=make_handler,
        make_upstream=make_upstream,
        prepare=_load_http,
    )


async def _load_http(config: ProxyConfig) -> None:
    """Load the codecs if a chain needs them: 3 MiB, and 70 ms of work that a thread does beside."""
    chains = (chain for listener in config.listeners for chain in listener.chains)
    if _HTTP not in sys.modules and any(chain.protocol != "tcp" for chain in chains):
        await asyncio.to_thread(importlib.import_module, _HTTP)
