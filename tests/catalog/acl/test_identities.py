import pytest

from catalog.acl.authorizer import Authorizer, Default
from catalog.acl.identities import (
    distinct_nodes,
    holds_in,
    merged_services,
    node_policy,
    recovery_rules,
    service_policy,
    synthetic_policies,
    templated_policy,
)
from catalog.acl.rights import Access, Resource, Right
from catalog.errors import Invalid
from catalog.rows.acl import (
    ACLRole,
    ACLToken,
    NodeIdentity,
    ServiceIdentity,
    TemplatedPolicy,
    TemplateVariables,
)

WEB = ServiceIdentity(service_name="web", datacenters=("dc1", "dc2"))
NODE = NodeIdentity(node_name="n1", datacenter="dc1")


def allowed(rules, *asked):
    token = Authorizer(rules, default=Default.DENY)
    return [token.allows(Right(resource, access, name)) for resource, access, name in asked]


def test_service_identity_writes_service_and_sidecar_and_reads_the_rest():
    policy = service_policy(WEB)

    assert [True, True, True, True, False, False] == allowed(
        policy.rules,
        (Resource.SERVICE, Access.WRITE, "web"),
        (Resource.SERVICE, Access.WRITE, "web-sidecar-proxy"),
        (Resource.SERVICE, Access.READ, "db"),
        (Resource.NODE, Access.READ, "n1"),
        (Resource.SERVICE, Access.WRITE, "web2"),
        (Resource.INTENTION, Access.WRITE, "web"),
    )
    assert policy.datacenters == ("dc1", "dc2")


def test_node_identity_writes_its_node_and_reads_services_in_its_datacenter():
    policy = node_policy(NODE)

    assert [True, True, False, False] == allowed(
        policy.rules,
        (Resource.NODE, Access.WRITE, "n1"),
        (Resource.SERVICE, Access.READ, "db"),
        (Resource.NODE, Access.READ, "n2"),
        (Resource.SERVICE, Access.WRITE, "db"),
    )
    assert policy.datacenters == ("dc1",)


def test_synthetic_policy_is_shown_as_a_policy():
    row = service_policy(WEB).row()

    text = '\nservice "web" {\n\tpolicy = "write"\n}\nservice "web-sidecar-proxy" {\n'
    assert row.rules.startswith(text)
    assert row.name == f"synthetic-policy-{row.id}"
    assert row.description == 'synthetic policy for service identity "web"'
    assert row.id == row.rules.encode().hex() + "6c62272e07bb014262b821756295c58d"
    assert node_policy(NODE).row().datacenters == ("dc1",)


def test_identity_of_a_service_is_its_template():
    variables = TemplateVariables(name="web")
    filled = TemplatedPolicy(template_name="builtin/service", template_variables=variables)

    policy = templated_policy(filled)
    assert policy.rules == service_policy(WEB).rules
    assert policy.datacenters == ()


def test_template_that_does_not_exist_is_refused():
    with pytest.raises(Invalid, match="acl templated policy does not exist: builtin/none"):
        templated_policy(TemplatedPolicy(template_name="builtin/none"))


def test_all_grants_of_a_holder_are_found():
    dns = TemplatedPolicy(template_name="builtin/dns")
    grants = {
        "service_identities": (WEB,),
        "node_identities": (NODE,),
        "templated_policies": (dns,),
    }
    expected = (service_policy(WEB), node_policy(NODE), templated_policy(dns))

    assert expected == synthetic_policies(ACLToken(**grants))
    assert expected == synthetic_policies(ACLRole(**grants))
    assert synthetic_policies(ACLToken()) == ()


def test_policy_without_datacenters_holds_in_all():
    assert holds_in(None, "dc1")
    assert holds_in((), "dc1")
    assert holds_in(("dc1",), "dc1")
    assert not holds_in(("dc2",), "dc1")


def test_recovery_token_is_for_its_agent():
    assert [True, True, False, False] == allowed(
        recovery_rules("n1"),
        (Resource.AGENT, Access.WRITE, "n1"),
        (Resource.NODE, Access.READ, "n2"),
        (Resource.AGENT, Access.READ, "n2"),
        (Resource.OPERATOR, Access.READ, ""),
    )


def test_identities_of_a_service_become_one_of_the_widest_scope():
    db_dc1, db_dc2 = (ServiceIdentity(service_name="db", datacenters=(dc,)) for dc in ("b", "a"))
    everywhere = ServiceIdentity(service_name="web")

    merged = merged_services([WEB, db_dc1, everywhere, db_dc2])

    assert merged == (ServiceIdentity(service_name="db", datacenters=("a", "b")), everywhere)
    assert distinct_nodes([NODE, NODE]) == (NODE,)
