from base64 import b64encode

import msgspec
import pytest

from catalog.acl.content_hash import content_hash
from catalog.acl.templates import GLOBAL_MANAGEMENT
from catalog.rows.acl import (
    ACLPolicy,
    ACLRole,
    ACLToken,
    Link,
    NodeIdentity,
    ServiceIdentity,
    TemplatedPolicy,
    TemplateVariables,
)

BOOTSTRAP = ACLToken(
    description="Bootstrap Token (Global Management)",
    policies=(Link(id=GLOBAL_MANAGEMENT.id, name="global-management"),),
)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (GLOBAL_MANAGEMENT, "swIQt6up+s0cV4kePfJ2aRdKCLaQyykF4Hl1Nfdeumk="),
        (BOOTSTRAP, "X2AgaFhnQGRhSSF/h0m6qpX1wj/HJWbyXcxkEM/5GrY="),
        (ACLToken(description="Anonymous Token"), "RNVFSWnfd5DUOuB8vplp+imivlIna3fKQVnkUHh21cA="),
    ],
)
def test_hash_is_the_one_in_answers_of_consul(row, expected):
    assert expected == b64encode(content_hash(row)).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x"},
        {"policies": (Link(id="p"),)},
        {"roles": (Link(id="r"),)},
        {"service_identities": (ServiceIdentity(service_name="s", datacenters=("d",)),)},
        {"node_identities": (NodeIdentity(node_name="n", datacenter="d"),)},
        {"templated_policies": (TemplatedPolicy(template_name="builtin/dns"),)},
        {"local": True},
    ],
)
def test_what_a_token_says_changes_its_hash(change):
    token = ACLToken(accessor_id="a")

    assert content_hash(msgspec.structs.replace(token, **change)) != content_hash(token)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x"},
        {"policies": (Link(id="p"),)},
        {"service_identities": (ServiceIdentity(service_name="s"),)},
    ],
)
def test_what_a_role_says_changes_its_hash(change):
    role = ACLRole(id="a")

    assert content_hash(msgspec.structs.replace(role, **change)) != content_hash(role)


def test_ids_indexes_and_the_hash_itself_do_not_matter():
    variables = TemplateVariables(name="web")
    filled = TemplatedPolicy(template_name="builtin/service", template_variables=variables)
    role = ACLRole(name="r", description="d", templated_policies=(filled,))
    policy = ACLPolicy(name="p", rules="x", datacenters=("dc1",))

    for row in (role, policy):
        moved = msgspec.structs.replace(row, id="i", hash=b"h", modify_index=9)
        assert content_hash(row) == content_hash(moved)
