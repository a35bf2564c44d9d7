"""What tokens, policies, roles, auth methods and binding rules must be, before they are stored.

What needs other rows (is a name taken, does a link lead anywhere) is for the command that writes.
Source: the texts that Consul's servers answer with; they are refused with status 500, as there.
"""

import re
from collections.abc import Iterable
from typing import Final

from catalog.acl.templates import BUILTIN_POLICIES, TEMPLATES
from catalog.duration import HOUR, MINUTE, format_duration
from catalog.errors import Invalid, PermissionDenied
from catalog.rows.acl import (
    BIND_TYPES,
    GLOBAL,
    LOCAL,
    ACLPolicy,
    ACLRole,
    ACLToken,
    AuthMethod,
    BindingRule,
    NodeIdentity,
    ServiceIdentity,
    TemplatedPolicy,
)
from catalog.rows.config_entry.entry import quoted
from catalog.uuids import is_uuid

POLICY_NAME_CHARS_MAX: Final = 128  # Consul's
ROLE_NAME_CHARS_MAX: Final = 256  # Consul's
AUTH_METHOD_NAME_CHARS_MAX: Final = 128  # Consul's
IDENTITY_NAME_CHARS_MAX: Final = 256  # Consul's, of services and nodes alike
TOKEN_LIFETIME_MIN: Final = MINUTE
TOKEN_LIFETIME_MAX: Final = 24 * HOUR
RESERVED_ID_PREFIX: Final = "00000000-0000-0000-0000-0000000000"
BUILTIN_NAME_PREFIX: Final = "builtin/"
ROOT_SECRETS: Final = frozenset({"allow", "deny", "manage"})
"""Names of whole policies in versions before tokens; never taken for a token's secret."""
AUTH_METHOD_TYPES: Final = ("jwt", "kubernetes")

_NAME: Final = re.compile(r"[A-Za-z0-9\-_]+")
_POLICY_NAME: Final = re.compile(r"[A-Za-z0-9\-_]+/?[A-Za-z0-9\-_]*")  # one slash: since 1.16
_IDENTITY_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9\-_]*[a-z0-9])?")
_NAME_HINT: Final = "Only alphanumeric characters, '-' and '_' are allowed"


def is_identity_name(name: str) -> bool:
    """Whether a name can be that of a service or node identity: lower case, as in DNS."""
    fits = len(name) <= IDENTITY_NAME_CHARS_MAX
    return fits and _IDENTITY_NAME.fullmatch(name) is not None


def validate_shown_secret(secret: str) -> None:
    """What a caller shows must not be the name of a whole policy."""
    if secret in ROOT_SECRETS:
        raise Invalid("Cannot resolve root ACL")


def validate_policy(policy: ACLPolicy) -> None:
    """Its name and id; what its rules say is ``parse_rules``'s to judge."""
    _validate_name("Policy", policy.name, POLICY_NAME_CHARS_MAX, _POLICY_NAME)
    is_builtin = any((policy.id, policy.name) == (row.id, row.name) for row in BUILTIN_POLICIES)
    if policy.name.startswith(BUILTIN_NAME_PREFIX) and not is_builtin:
        reserved = f"Names cannot be prefixed with '/' or '{BUILTIN_NAME_PREFIX}'"
        raise Invalid(f"Invalid Policy: invalid Name. {reserved}")
    if policy.id and not is_uuid(policy.id):
        raise Invalid("Policy ID invalid UUID")


def validate_policy_change(old: ACLPolicy, new: ACLPolicy) -> None:
    """A built-in policy keeps its rules and holds everywhere; it may be renamed."""
    for builtin in BUILTIN_POLICIES:
        if old.id != builtin.id:
            continue
        what = f"the builtin {builtin.name} policy is not permitted"
        if new.datacenters:
            raise Invalid(f"Changing the Datacenters of {what}")
        if new.rules != old.rules:
            raise Invalid(f"Changing the Rules for {what}")


def validate_policy_removal(policy: ACLPolicy) -> None:
    """A built-in policy stays."""
    for builtin in BUILTIN_POLICIES:
        if policy.id == builtin.id:
            raise Invalid(f"Delete operation not permitted on the builtin {builtin.name} policy")


def validate_role(role: ACLRole) -> None:
    """Its name, id and identities."""
    _validate_name("Role", role.name, ROLE_NAME_CHARS_MAX)
    if role.id and not is_uuid(role.id):
        raise Invalid("Role ID invalid UUID")
    _validate_grants("role", role)


def validate_token(token: ACLToken, *, is_login: bool = False) -> None:
    """A new token, its ids chosen; ``is_login`` says that an auth method makes it."""
    for field, value in (("AccessorID", token.accessor_id), ("SecretID", token.secret_id)):
        if not is_uuid(value):
            raise Invalid(f"Invalid Token: {field} is not a valid UUID")
        if value.startswith(RESERVED_ID_PREFIX):
            reserved = quoted(RESERVED_ID_PREFIX)
            raise Invalid(f"Invalid Token: UUIDs with the prefix {reserved} are reserved")
    if is_login and not token.auth_method:
        raise Invalid("AuthMethod field is required during Login")
    if token.auth_method and not is_login:
        raise Invalid("AuthMethod field is disallowed outside of Login")
    _validate_grants("token", token)


def validate_token_change(old: ACLToken, new: ACLToken) -> None:
    """What never changes: secret, locality, auth method, end. Empty fields of ``new`` keep theirs.

    Times are compared as text: the writer fills in the old one where none is given.
    """
    if new.secret_id in ROOT_SECRETS:
        raise PermissionDenied("Permission denied: Cannot modify root ACL")
    if new.secret_id and new.secret_id != old.secret_id:
        raise Invalid("Changing a tokens SecretID is not permitted")
    if new.local != old.local:
        raise Invalid(f"cannot toggle local mode of {old.accessor_id}")
    if new.auth_method and new.auth_method != old.auth_method:
        raise Invalid(f"Cannot change AuthMethod of {old.accessor_id}")
    if new.expiration_time and new.expiration_time != old.expiration_time:
        raise Invalid(f"Cannot change expiration time of {old.accessor_id}")
    _validate_grants("token", new)


def validate_token_ttl(ttl: int, *, has_time: bool) -> None:
    """The time to live that a request gives, in nanoseconds; 0 for none."""
    if ttl < 0:
        raise Invalid(f"Token Expiration TTL '{format_duration(ttl)}' should be > 0")
    if ttl and has_time:
        raise Invalid("Token Expiration TTL and Expiration Time cannot both be set")


def validate_token_lifetime(lifetime: int) -> None:
    """From a token's creation to its end, in nanoseconds, for a token that ends."""
    given = format_duration(lifetime)
    if lifetime < 0:
        raise Invalid("ExpirationTime cannot be before CreateTime")
    if lifetime > TOKEN_LIFETIME_MAX:
        limit = format_duration(TOKEN_LIFETIME_MAX)
        raise Invalid(f"ExpirationTime cannot be more than {limit} in the future (was {given})")
    if lifetime < TOKEN_LIFETIME_MIN:
        limit = format_duration(TOKEN_LIFETIME_MIN)
        raise Invalid(f"ExpirationTime cannot be less than {limit} in the future (was {given})")


def validate_auth_method(method: AuthMethod, *, is_primary: bool) -> None:
    """``is_primary`` says whether this is the datacenter where global tokens are made."""
    _validate_name("Auth Method", method.name, AUTH_METHOD_NAME_CHARS_MAX)
    if method.type not in AUTH_METHOD_TYPES:
        types = " ".join(AUTH_METHOD_TYPES)
        raise Invalid(f"Invalid Auth Method: Type should be one of: [{types}]")
    if ttl := method.max_token_ttl:
        given = format_duration(ttl)
        for limit, is_beyond, word in (
            (TOKEN_LIFETIME_MAX, ttl > TOKEN_LIFETIME_MAX, "more"),
            (TOKEN_LIFETIME_MIN, ttl < TOKEN_LIFETIME_MIN, "less"),
        ):
            if is_beyond:
                text = f"MaxTokenTTL {given} cannot be {word} than {format_duration(limit)}"
                raise Invalid(text)
    if method.token_locality not in {"", LOCAL, GLOBAL}:
        raise Invalid("Invalid Auth Method: TokenLocality should be one of 'local' or 'global'")
    if method.token_locality == GLOBAL and not is_primary:
        reason = "TokenLocality 'global' can only be used in the primary datacenter"
        raise Invalid(f"Invalid Auth Method: {reason}")


def validate_auth_method_change(old: AuthMethod, new: AuthMethod) -> None:
    """The type never changes; left out it stays."""
    if new.type and new.type != old.type:
        raise Invalid("the Type field of an Auth Method is immutable")


def validate_binding_rule(rule: BindingRule) -> None:
    """Its fields, but for the selector and what stands in ``${}``: those are the method's."""
    if rule.id and not is_uuid(rule.id):
        raise Invalid("Binding Rule ID invalid UUID")
    for field, value in (
        ("AuthMethod", rule.auth_method),
        ("BindType", rule.bind_type),
        ("BindName", rule.bind_name),
    ):
        if not value:
            raise Invalid(f"Invalid Binding Rule: no {field} is set")
    if rule.bind_type not in BIND_TYPES:
        raise Invalid(f"Invalid Binding Rule: unknown BindType {quoted(rule.bind_type)}")


def _validate_name(what: str, name: str, chars_max: int, form: re.Pattern[str] = _NAME) -> None:
    if not name:
        raise Invalid(f"Invalid {what}: no Name is set")
    if len(name) > chars_max or not form.fullmatch(name):
        raise Invalid(f"Invalid {what}: invalid Name. {_NAME_HINT}")


def _validate_grants(what: str, holder: ACLToken | ACLRole) -> None:
    is_local = isinstance(holder, ACLToken) and holder.local
    for service in holder.service_identities or ():
        _validate_service(what, service, is_local=is_local)
    _validate_nodes(what, holder.node_identities or ())
    for filled in holder.templated_policies or ():
        _validate_template(what, filled, is_local=is_local)


def _validate_service(what: str, identity: ServiceIdentity, *, is_local: bool) -> None:
    name = identity.service_name
    if not name:
        raise Invalid(f"Service identity is missing the service name field on this {what}")
    if is_local and identity.datacenters:
        refusal = "cannot specify a list of datacenters on a local token"
        raise Invalid(f"Service identity {quoted(name)} {refusal}")
    if not is_identity_name(name):
        raise Invalid(f"Service identity {quoted(name)} has an invalid name. {_NAME_HINT}")


def _validate_nodes(what: str, identities: Iterable[NodeIdentity]) -> None:
    for identity in identities:
        if not identity.node_name:
            raise Invalid(f"Node identity is missing the node name field on this {what}")
        if not identity.datacenter:
            raise Invalid(f"Node identity is missing the datacenter field on this {what}")
        if not is_identity_name(identity.node_name):
            raise Invalid(f"Node identity has an invalid name. {_NAME_HINT}")


def _validate_template(what: str, filled: TemplatedPolicy, *, is_local: bool) -> None:
    name = filled.template_name
    if not name:
        raise Invalid(f"templated policy is missing the template name field on this {what}")
    template = TEMPLATES.get(name)
    if template is None:
        raise Invalid(f"no such ACL templated policy with Name {quoted(name)}")
    if is_local and filled.datacenters:
        refusal = "cannot specify a list of datacenters on a local token"
        raise Invalid(f"templated policy {quoted(name)} {refusal}")
    given = filled.template_variables.name if filled.template_variables else ""
    # The name goes into rules as it is, so that it must be one that needs no escapes.
    if template.takes_name and not is_identity_name(given):
        refusal = f"name {quoted(given)} is invalid. {_NAME_HINT}"
        raise Invalid(f"validation error for templated policy {quoted(name)}: {refusal}")
