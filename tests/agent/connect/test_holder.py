import pytest

from agent.connect import holder
from agent.connect.spiffe import leaf_common_name, parse_identity

DOMAIN = "11111111-2222-3333-4444-555555555555.consul"


@pytest.mark.parametrize(
    ("who", "path"),
    [
        (holder.service("web"), "/ns/default/dc/dc1/svc/web"),
        (holder.mesh_gateway(), "/gateway/mesh/dc/dc1"),
        (holder.agent("n1"), "/agent/client/dc/dc1/id/n1"),
    ],
)
def test_each_holder_has_one_identity(who, path):
    identity = who.identity(DOMAIN, "dc1")

    assert f"spiffe://{DOMAIN}{path}" == identity.uri
    assert identity == parse_identity(identity.uri)
    assert len(leaf_common_name(identity)) <= 64


def test_a_gateways_leaf_names_its_hosts_and_an_agents_its_own_host():
    gateway = holder.service("gw", ("*.ingress.consul",))
    agent = holder.agent("n1")

    names = gateway.names(gateway.identity(DOMAIN, "dc1"))
    own = agent.names(agent.identity(DOMAIN, "dc1"))

    assert (names.dns_names, names.ip_addresses) == (("*.ingress.consul",), ())
    assert (own.dns_names, own.ip_addresses) == (("localhost",), ("127.0.0.1", "::1"))
