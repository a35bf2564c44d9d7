import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import (
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Identity,
    Listener,
    Policy,
    ProxyConfig,
    Route,
    ServerTls,
    WeightedCluster,
)
from proxy.messages import (
    Applied,
    Configure,
    Drain,
    Edge,
    EdgeCounts,
    Hello,
    Report,
    Tap,
    ToAgent,
    ToWorker,
)

IDENTITY = Identity(
    service="web",
    uri="spiffe://1.consul/ns/default/dc/dc1/svc/web",
    serial="0a",
    certificates_pem="leaf",
    private_key_pem="secret",
    expires_at_s=1.5,
)
CONFIG = ProxyConfig(
    id="web-sidecar-proxy",
    service="web",
    identities={"web": IDENTITY},
    listeners=(
        Listener(
            name="public",
            direction="inbound",
            port=21000,
            chains=(
                FilterChain(
                    tls=ServerTls(identity="web"),
                    policy=Policy(destination="web"),
                    routes=(Route(name="local", clusters=(WeightedCluster(cluster="app"),)),),
                ),
            ),
        ),
    ),
    clusters={
        "app": Cluster(
            name="app",
            service="web",
            groups=(EndpointGroup(target="app", endpoints=(Endpoint(id="a", port=80),)),),
        )
    },
)


@pytest.mark.parametrize(
    "message", [Configure(version=3, config=CONFIG), Tap(number=1, stop=True), Drain(drain_s=1.0)]
)
def test_what_an_agent_says_is_read_as_it_was_sent(message: ToWorker) -> None:
    sent = msgspec.msgpack.encode(message)

    assert message == msgspec.msgpack.decode(sent, type=ToWorker)


@given(requests=st.integers(0, 2**63), name=st.text(max_size=50))
def test_what_a_worker_says_is_read_as_it_was_sent(requests: int, name: str) -> None:
    edge = Edge(proxy=name, direction="inbound", source="web", destination=name)
    for message in (
        Hello(version="1", pid=1, proxies=(name,)),
        Applied(id=name, version=1, faults={name: "in use"}),
        Report(at_s=1.0, edges=(EdgeCounts(edge=edge, requests=requests),)),
    ):
        sent = msgspec.msgpack.encode(message)

        assert message == msgspec.msgpack.decode(sent, type=ToAgent)


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(CONFIG)
    assert "secret" not in repr(ServerTls(certificates_pem="pem", private_key_pem="secret"))


def test_what_is_left_at_its_default_takes_no_room() -> None:
    assert len(msgspec.msgpack.encode(Endpoint(id="a", port=80))) < 20
