import sys

import pytest

from proxy.api import Cluster
from proxy.connection import Facts
from proxy.parts import make_parts
from proxy.tls import Contexts
from tests.proxy.fakes import Fakes, chain, listener, proxy
from tests.proxy.test_chain_serving import serving_of

FACTS = Facts(listener="public", remote="1.2.3.4:5")


def test_a_cluster_is_made_into_an_upstream() -> None:
    parts = make_parts(Fakes().around)
    cluster = Cluster(name="app", service="app")

    upstream = parts.make_upstream(cluster, Contexts(proxy()))

    assert cluster == upstream.cluster
    assert [] == list(upstream.instances())


@pytest.mark.parametrize(
    ("protocol", "handler"),
    [("tcp", "TcpProxy"), ("http", "HttpServer"), ("http2", "HttpServer"), ("grpc", "HttpServer")],
)
def test_what_a_chain_carries_says_who_handles_it(protocol: str, handler: str) -> None:
    fakes = Fakes()

    made = make_parts(fakes.around).make_handler(serving_of(fakes, protocol=protocol), FACTS)

    assert handler == type(made).__name__


async def test_codecs_are_loaded_when_a_chain_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_parts(Fakes().around)
    monkeypatch.delitem(sys.modules, "proxy.http_server", raising=False)

    await parts.prepare(proxy())
    assert "proxy.http_server" not in sys.modules

    await parts.prepare(proxy(listener(chains=(chain(), chain(protocol="http")))))
    assert "proxy.http_server" in sys.modules
