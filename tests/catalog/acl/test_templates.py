import pytest

from agent.acl.rules_text import parse_rules_text
from catalog.acl.rights import Access, Resource
from catalog.acl.rules import Rule, Scope
from catalog.acl.templates import BUILTIN_POLICIES, GLOBAL_MANAGEMENT, TEMPLATES

# As Consul 1.9.8 answers GET /v1/acl/policy/00000000-0000-0000-0000-000000000001.
MANAGEMENT_RULES = """
acl = "write"
agent_prefix "" {
\tpolicy = "write"
}
event_prefix "" {
\tpolicy = "write"
}
key_prefix "" {
\tpolicy = "write"
}
keyring = "write"
node_prefix "" {
\tpolicy = "write"
}
operator = "write"
query_prefix "" {
\tpolicy = "write"
}
service_prefix "" {
\tpolicy = "write"
\tintentions = "write"
}
session_prefix "" {
\tpolicy = "write"
}"""


def test_global_management_is_written_as_consul_writes_it():
    assert MANAGEMENT_RULES == GLOBAL_MANAGEMENT.rules


def test_read_only_policy_reads_everything_and_writes_nothing():
    read_only = BUILTIN_POLICIES[1]

    rules = parse_rules_text(read_only.rules)
    assert {rule.access for rule in rules} == {Access.READ}
    assert {rule.resource for rule in rules} == set(Resource) - {Resource.INTENTION}


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_filled_is_its_text_filled(name):
    template = TEMPLATES[name]

    in_text = parse_rules_text(template.text.replace("{{.Name}}", "web"))
    assert set(template.filled("web")) == set(in_text)
    assert template.takes_name == ("{{.Name}}" in template.text)


def test_gateway_reads_all_and_writes_itself():
    rules = TEMPLATES["builtin/api-gateway"].filled("gw")

    assert Rule(Resource.SERVICE, Access.WRITE, Scope.EXACT, "gw") in rules
    assert Rule(Resource.MESH, Access.READ) in rules


def test_templates_that_take_a_name_are_those_of_consul():
    taking = {name for name, template in TEMPLATES.items() if template.takes_name}

    assert taking == {"builtin/service", "builtin/node", "builtin/api-gateway"}
