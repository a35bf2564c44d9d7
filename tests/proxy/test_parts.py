from proxy.api import Cluster
from proxy.parts import make_parts
from proxy.tls import Contexts
from tests.proxy.fakes import Fakes, proxy


def test_a_cluster_is_made_into_an_upstream() -> None:
    parts = make_parts(Fakes().around)
    cluster = Cluster(name="app", service="app")

    upstream = parts.make_upstream(cluster, Contexts(proxy()))

    assert cluster == upstream.cluster
    assert [] == list(upstream.instances())
