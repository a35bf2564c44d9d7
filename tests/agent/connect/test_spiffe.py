import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.connect.spiffe import (
    AgentIdentity,
    AuthorityIdentity,
    BadIdentity,
    ServiceIdentity,
    leaf_common_name,
    parse_identity,
    root_common_name,
)

DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(NAMES)
def test_service_identity_survives_its_uri(name):
    identity = ServiceIdentity(trust_domain=DOMAIN, datacenter="dc1", service=name)

    assert identity == parse_identity(identity.uri)
    assert identity.uri.isascii()


def test_agents_and_authorities_have_identities_too():
    agent = AgentIdentity(trust_domain=DOMAIN, datacenter="dc1", node="n1")
    authority = AuthorityIdentity(trust_domain=DOMAIN)

    assert f"spiffe://{DOMAIN}/agent/client/dc/dc1/id/n1" == agent.uri
    assert agent == parse_identity(agent.uri)
    assert authority == parse_identity(authority.uri)


@pytest.mark.parametrize(
    "uri", ["", "https://x/ns/default/dc/dc1/svc/a", "spiffe://x/svc/a", "spiffe://", "spiffe://[x"]
)
def test_other_texts_are_no_identities(uri):
    with pytest.raises(BadIdentity):
        parse_identity(uri)


@given(NAMES)
def test_common_names_fit_into_a_certificate(name):
    identity = ServiceIdentity(trust_domain=DOMAIN, datacenter="dc1", service=name)

    assert len(leaf_common_name(identity)) <= 64


def test_common_names_say_what_they_name():
    service = ServiceIdentity(trust_domain=DOMAIN, datacenter="dc1", service="Web-1")
    agent = AgentIdentity(trust_domain=DOMAIN, datacenter="dc1", node="n1")

    assert leaf_common_name(service) == "web1.svc.default.11111111.consul"
    assert leaf_common_name(agent) == "n1.agnt.dc1.11111111.consul"
    assert root_common_name(DOMAIN, "ABCD-EFGHIJK") == "pri-abcdefgh.consul.ca.11111111.consul"
