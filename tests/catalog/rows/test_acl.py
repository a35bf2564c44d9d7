import msgspec

from catalog.acl.templates import GLOBAL_MANAGEMENT
from catalog.duration import HOUR
from catalog.rows.acl import (
    ACLPolicy,
    ACLRole,
    ACLToken,
    AuthMethod,
    BindingRule,
    Link,
    NodeIdentity,
    ServiceIdentity,
    TemplatedPolicy,
    TemplateVariables,
    auth_method_stub,
    policy_stub,
    token_stub,
    without_secret,
)
from catalog.shape import to_json

# Shapes recorded of Consul 1.9.8: token-crud, acl-rules, node-identity, roles.
TOKEN = ACLToken(
    accessor_id="a",
    secret_id="s",
    description="d",
    policies=(Link(id="p", name="pol"),),
    create_time="2026-01-01T00:00:00Z",
    hash=b"h",
    create_index=4,
    modify_index=5,
)
SHOWN = {
    "AccessorID": "a",
    "SecretID": "s",
    "Description": "d",
    "Policies": [{"ID": "p", "Name": "pol"}],
    "Local": False,
    "CreateTime": "2026-01-01T00:00:00Z",
    "Hash": "aA==",
    "CreateIndex": 4,
    "ModifyIndex": 5,
}


def test_token_is_shown_as_recorded():
    assert to_json(TOKEN) == SHOWN
    assert list(to_json(TOKEN)) == list(SHOWN)


def test_token_in_a_list_has_no_secret():
    stub = to_json(token_stub(TOKEN))

    assert stub == {name: value for name, value in SHOWN.items() if name != "SecretID"}


def test_secret_is_hidden_from_readers():
    assert to_json(without_secret(TOKEN)) == SHOWN | {"SecretID": "<hidden>"}


def test_identities_and_templates_are_shown_while_there_are_any():
    token = msgspec.structs.replace(
        TOKEN,
        service_identities=(
            ServiceIdentity(service_name="web", datacenters=("dc1",)),
            ServiceIdentity(service_name="db"),
        ),
        node_identities=(NodeIdentity(node_name="n", datacenter="dc1"),),
        templated_policies=(
            TemplatedPolicy(
                template_name="builtin/node", template_variables=TemplateVariables(name="n")
            ),
        ),
        expiration_time="2026-01-01T01:00:00Z",
        auth_method="k8s",
    )

    shown = to_json(token)

    assert shown["ServiceIdentities"] == [
        {"ServiceName": "web", "Datacenters": ["dc1"]},
        {"ServiceName": "db"},
    ]
    assert shown["NodeIdentities"] == [{"NodeName": "n", "Datacenter": "dc1"}]
    assert shown["TemplatedPolicies"] == [
        {"TemplateName": "builtin/node", "TemplateVariables": {"name": "n"}}
    ]
    assert shown["ExpirationTime"] == "2026-01-01T01:00:00Z"
    assert shown["AuthMethod"] == "k8s"


def test_policy_shows_rules_and_in_a_list_datacenters():
    shown = to_json(GLOBAL_MANAGEMENT)
    stub = to_json(policy_stub(GLOBAL_MANAGEMENT))

    assert list(shown) == [
        "ID", "Name", "Description", "Rules", "Hash", "CreateIndex", "ModifyIndex",
    ]  # fmt: skip
    assert stub == {
        "ID": "00000000-0000-0000-0000-000000000001",
        "Name": "global-management",
        "Description": "Builtin Policy that grants unlimited access",
        "Datacenters": None,
        "Hash": None,
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }
    assert to_json(ACLPolicy(datacenters=("dc1",)))["Datacenters"] == ["dc1"]


def test_role_without_grants_shows_none():
    assert to_json(ACLRole(id="r", name="n")) == {
        "ID": "r",
        "Name": "n",
        "Description": "",
        "Hash": None,
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }


def test_auth_method_shows_its_time_as_text_and_in_a_list_no_configuration():
    method = AuthMethod(name="m", type="jwt", max_token_ttl=HOUR, config={"Key": "secret"})
    common = {
        "Name": "m",
        "Type": "jwt",
        "MaxTokenTTL": "1h0m0s",
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }

    assert to_json(method) == common | {"Config": {"Key": "secret"}}
    assert to_json(auth_method_stub(method)) == common


def test_binding_rule_shows_all_its_fields():
    assert list(to_json(BindingRule())) == [
        "ID", "Description", "AuthMethod", "Selector", "BindType", "BindName",
        "CreateIndex", "ModifyIndex",
    ]  # fmt: skip
