"""Makes the worker out of its parts: the only file that knows which ones they are."""

from proxy.api import Cluster
from proxy.chain_serving import Surroundings
from proxy.connection import Facts, Handler, HandlerFactory
from proxy.dial import connect
from proxy.l4 import TcpProxy
from proxy.listener import Acceptor, bind
from proxy.runtime import ClusterAtWork, Parts
from proxy.serving import Choice, Serving
from proxy.tls import Contexts
from proxy.upstream import ClusterUpstream


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
        # A worker that never sees HTTP does without its codecs, which are several MiB.
        from proxy.http_server import HttpServer

        return HttpServer(serving, facts)

    return Parts(
        bind=bind, make_acceptor=Acceptor, make_handler=make_handler, make_upstream=make_upstream
    )
