import msgspec
import pytest

from catalog.acl import validation
from catalog.acl.templates import BUILTIN_POLICIES, GLOBAL_MANAGEMENT
from catalog.duration import HOUR, SECOND
from catalog.errors import Invalid, PermissionDenied
from catalog.rows.acl import (
    ACLPolicy,
    ACLRole,
    ACLToken,
    AuthMethod,
    BindingRule,
    NodeIdentity,
    ServiceIdentity,
    TemplatedPolicy,
    TemplateVariables,
)

ACCESSOR, SECRET = (f"{letter * 8}-1111-2222-3333-444444444401" for letter in "ab")
TOKEN = ACLToken(accessor_id=ACCESSOR, secret_id=SECRET)
RESERVED = "00000000-0000-0000-0000-000000000009"
ALPHANUMERIC = "Only alphanumeric characters, '-' and '_' are allowed"
IMMUTABLE = "Cannot change expiration time of"


def refusal(check, *rows, **options):
    with pytest.raises(Invalid) as error:
        check(*rows, **options)
    return str(error.value)


def changed(row, **fields):
    return msgspec.structs.replace(row, **fields)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (ACLPolicy(), "Invalid Policy: no Name is set"),
        (ACLPolicy(name="bad name!"), f"Invalid Policy: invalid Name. {ALPHANUMERIC}"),
        (ACLPolicy(name="a" * 129), f"Invalid Policy: invalid Name. {ALPHANUMERIC}"),
        (ACLPolicy(name="a\n"), f"Invalid Policy: invalid Name. {ALPHANUMERIC}"),
        (ACLPolicy(name="/a"), f"Invalid Policy: invalid Name. {ALPHANUMERIC}"),
        (
            ACLPolicy(name="builtin/mine"),
            "Invalid Policy: invalid Name. Names cannot be prefixed with '/' or 'builtin/'",
        ),
        (ACLPolicy(name="a", id="x"), "Policy ID invalid UUID"),
    ],
)
def test_policy_is_refused_with_the_text_of_consul(row, text):
    assert text == refusal(validation.validate_policy, row)


def test_sound_rows_are_let_through():
    validation.validate_policy(ACLPolicy(name="a" * 128, id=ACCESSOR))
    validation.validate_policy(ACLPolicy(name="team/a"))
    for builtin in BUILTIN_POLICIES:
        validation.validate_policy(builtin)
    validation.validate_shown_secret(SECRET)
    validation.validate_role(ACLRole(name="r" * 256, id=ACCESSOR))
    validation.validate_token(TOKEN)
    validation.validate_token(changed(TOKEN, auth_method="k8s"), is_login=True)
    validation.validate_token_change(TOKEN, changed(TOKEN, description="new"))
    validation.validate_token_ttl(HOUR, has_time=False)
    validation.validate_token_lifetime(24 * HOUR)
    method = AuthMethod(name="m", type="jwt", max_token_ttl=HOUR, token_locality="global")
    validation.validate_auth_method(method, is_primary=True)
    validation.validate_auth_method_change(method, AuthMethod(name="m"))
    rule = BindingRule(auth_method="m", bind_type="service", bind_name="${value.x}")
    validation.validate_binding_rule(rule)


def test_built_in_policy_keeps_its_rules_and_holds_everywhere_and_stays():
    check, old = validation.validate_policy_change, GLOBAL_MANAGEMENT
    what = "the builtin global-management policy is not permitted"

    check(old, changed(old, name="renamed"))
    check(ACLPolicy(id=ACCESSOR), ACLPolicy(id=ACCESSOR, rules="x"))
    validation.validate_policy_removal(ACLPolicy(id=ACCESSOR))
    assert f"Changing the Rules for {what}" == refusal(check, old, changed(old, rules=""))
    limited = changed(old, datacenters=("dc1",))
    assert f"Changing the Datacenters of {what}" == refusal(check, old, limited)
    assert refusal(validation.validate_policy_removal, old) == (
        "Delete operation not permitted on the builtin global-management policy"
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (ACLRole(), "Invalid Role: no Name is set"),
        (ACLRole(name="bad name!"), f"Invalid Role: invalid Name. {ALPHANUMERIC}"),
        (ACLRole(name="r", id="x"), "Role ID invalid UUID"),
        (
            ACLRole(name="r", service_identities=(ServiceIdentity(),)),
            "Service identity is missing the service name field on this role",
        ),
    ],
)
def test_role_is_refused_with_the_text_of_consul(row, text):
    assert text == refusal(validation.validate_role, row)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"secret_id": "short"}, "Invalid Token: SecretID is not a valid UUID"),
        (
            {"accessor_id": RESERVED},
            'Invalid Token: UUIDs with the prefix "00000000-0000-0000-0000-0000000000" are'
            " reserved",
        ),
        ({"auth_method": "x"}, "AuthMethod field is disallowed outside of Login"),
        (
            {"service_identities": (ServiceIdentity(service_name="Bad_Name!"),)},
            f'Service identity "Bad_Name!" has an invalid name. {ALPHANUMERIC}',
        ),
        (
            {
                "local": True,
                "service_identities": (ServiceIdentity(service_name="a", datacenters=("d",)),),
            },
            'Service identity "a" cannot specify a list of datacenters on a local token',
        ),
        (
            {"node_identities": (NodeIdentity(node_name="x"),)},
            "Node identity is missing the datacenter field on this token",
        ),
        (
            {"node_identities": (NodeIdentity(datacenter="d"),)},
            "Node identity is missing the node name field on this token",
        ),
        (
            {"node_identities": (NodeIdentity(node_name="-x", datacenter="d"),)},
            f"Node identity has an invalid name. {ALPHANUMERIC}",
        ),
        (
            {"templated_policies": (TemplatedPolicy(),)},
            "templated policy is missing the template name field on this token",
        ),
        (
            {"templated_policies": (TemplatedPolicy(template_name="x"),)},
            'no such ACL templated policy with Name "x"',
        ),
        (
            {
                "local": True,
                "templated_policies": (
                    TemplatedPolicy(template_name="builtin/dns", datacenters=("d",)),
                ),
            },
            'templated policy "builtin/dns" cannot specify a list of datacenters on a local token',
        ),
        (
            {
                "templated_policies": (
                    TemplatedPolicy(
                        template_name="builtin/node",
                        template_variables=TemplateVariables(name='a" {'),
                    ),
                )
            },
            'validation error for templated policy "builtin/node": name "a\\" {" is invalid.'
            f" {ALPHANUMERIC}",
        ),
    ],
)
def test_token_is_refused_with_the_text_of_consul(fields, text):
    assert text == refusal(validation.validate_token, changed(TOKEN, **fields))


def test_login_names_its_auth_method():
    text = refusal(validation.validate_token, TOKEN, is_login=True)

    assert text == "AuthMethod field is required during Login"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"secret_id": ACCESSOR}, "Changing a tokens SecretID is not permitted"),
        ({"local": True}, f"cannot toggle local mode of {ACCESSOR}"),
        ({"auth_method": "m"}, f"Cannot change AuthMethod of {ACCESSOR}"),
        ({"expiration_time": "2030-01-01T00:00:00Z"}, f"{IMMUTABLE} {ACCESSOR}"),
    ],
)
def test_token_keeps_what_it_was_made_with(fields, text):
    new = changed(TOKEN, **fields)

    assert text == refusal(validation.validate_token_change, TOKEN, new)


@pytest.mark.parametrize("secret", ["allow", "deny", "manage"])
def test_names_of_whole_policies_are_no_secrets(secret):
    new = changed(TOKEN, secret_id=secret)

    with pytest.raises(PermissionDenied, match="Permission denied: Cannot modify root ACL"):
        validation.validate_token_change(TOKEN, new)
    assert refusal(validation.validate_shown_secret, secret) == "Cannot resolve root ACL"


def test_time_to_live_is_positive_and_the_only_end():
    check = validation.validate_token_ttl

    assert refusal(check, -HOUR, has_time=False) == "Token Expiration TTL '-1h0m0s' should be > 0"
    assert refusal(check, HOUR, has_time=True) == (
        "Token Expiration TTL and Expiration Time cannot both be set"
    )


@pytest.mark.parametrize(
    ("lifetime", "text"),
    [
        (5 * SECOND, "ExpirationTime cannot be less than 1m0s in the future (was 5s)"),
        (48 * HOUR, "ExpirationTime cannot be more than 24h0m0s in the future (was 48h0m0s)"),
        (-SECOND, "ExpirationTime cannot be before CreateTime"),
    ],
)
def test_lifetime_is_a_minute_to_a_day(lifetime, text):
    assert text == refusal(validation.validate_token_lifetime, lifetime)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ""}, "Invalid Auth Method: no Name is set"),
        ({"type": "bogus"}, "Invalid Auth Method: Type should be one of: [jwt kubernetes]"),
        ({"max_token_ttl": SECOND}, "MaxTokenTTL 1s cannot be less than 1m0s"),
        ({"max_token_ttl": 25 * HOUR}, "MaxTokenTTL 25h0m0s cannot be more than 24h0m0s"),
        (
            {"token_locality": "x"},
            "Invalid Auth Method: TokenLocality should be one of 'local' or 'global'",
        ),
        (
            {"token_locality": "global"},
            "Invalid Auth Method: TokenLocality 'global' can only be used in the primary"
            " datacenter",
        ),
    ],
)
def test_auth_method_is_refused_with_the_text_of_consul(fields, text):
    method = changed(AuthMethod(name="m", type="jwt"), **fields)

    assert text == refusal(validation.validate_auth_method, method, is_primary=False)


def test_type_of_an_auth_method_never_changes():
    old, new = AuthMethod(name="m", type="jwt"), AuthMethod(name="m", type="kubernetes")

    text = refusal(validation.validate_auth_method_change, old, new)
    assert text == "the Type field of an Auth Method is immutable"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": "x"}, "Binding Rule ID invalid UUID"),
        ({"auth_method": ""}, "Invalid Binding Rule: no AuthMethod is set"),
        ({"bind_type": ""}, "Invalid Binding Rule: no BindType is set"),
        ({"bind_name": ""}, "Invalid Binding Rule: no BindName is set"),
        ({"bind_type": "x"}, 'Invalid Binding Rule: unknown BindType "x"'),
    ],
)
def test_binding_rule_is_refused_with_the_text_of_consul(fields, text):
    rule = BindingRule(auth_method="m", bind_type="service", bind_name="n")

    assert text == refusal(validation.validate_binding_rule, changed(rule, **fields))
