"""Access control as stored: tokens, policies, roles, auth methods, binding rules.

Source: Consul API, /v1/acl. Times are RFC 3339 text, durations nanoseconds, hashes 32 bytes. What
came after Consul 1.9 (templated policies) is left out of answers while empty.
"""

from typing import Any, Final, TypeVar

import msgspec

from catalog.duration import Duration
from catalog.schema import Omit, Row

_Stub = TypeVar("_Stub", bound=Row)

HIDDEN_SECRET: Final = "<hidden>"  # noqa: S105 - what stands in a secret's place, no secret
ANONYMOUS_SECRET: Final = "anonymous"  # noqa: S105 - the name of the token of callers without one

LOCAL: Final = "local"
GLOBAL: Final = "global"

BIND_TYPES: Final = ("service", "role", "node", "policy", "templated-policy")


class Link(Row, frozen=True, kw_only=True):
    """A policy or a role that is granted. Stored by ``id``; ``name`` is looked up when read."""

    id: str = ""
    name: str = ""


class ServiceIdentity(Row, frozen=True, kw_only=True):
    """What a service and its sidecar need, in the datacenters named or in all."""

    service_name: str = ""
    datacenters: Omit[tuple[str, ...] | None] = None


class NodeIdentity(Row, frozen=True, kw_only=True):
    """What the agent of a node needs, in its datacenter."""

    node_name: str = ""
    datacenter: str = ""


class TemplateVariables(Row, frozen=True, kw_only=True):
    """What a template is filled with; the API writes the key in lower case."""

    name: Omit[str] = msgspec.field(default="", name="name")


class TemplatedPolicy(Row, frozen=True, kw_only=True):
    """A built-in template, filled, in the datacenters named or in all. Since 1.17."""

    template_id: Omit[str] = ""
    template_name: Omit[str] = ""
    template_variables: Omit[TemplateVariables | None] = None
    datacenters: Omit[tuple[str, ...] | None] = None


class ACLToken(Row, frozen=True, kw_only=True):
    """What a caller shows. ``accessor_id`` names the token, ``secret_id`` is what is shown.

    ``local`` tokens hold in one datacenter; ``auth_method`` is the one whose login made the token;
    an expired token is as good as none.
    """

    accessor_id: str = ""
    secret_id: str = ""
    description: str = ""
    policies: Omit[tuple[Link, ...] | None] = None
    roles: Omit[tuple[Link, ...] | None] = None
    service_identities: Omit[tuple[ServiceIdentity, ...] | None] = None
    node_identities: Omit[tuple[NodeIdentity, ...] | None] = None
    templated_policies: Omit[tuple[TemplatedPolicy, ...] | None] = None
    local: bool = False
    auth_method: Omit[str] = ""
    expiration_time: Omit[str] = ""
    create_time: str = ""
    hash: bytes = b""
    create_index: int = 0
    modify_index: int = 0


class ACLTokenStub(Row, frozen=True, kw_only=True):
    """A token as lists show it: without its secret."""

    accessor_id: str
    description: str
    policies: Omit[tuple[Link, ...] | None]
    roles: Omit[tuple[Link, ...] | None]
    service_identities: Omit[tuple[ServiceIdentity, ...] | None]
    node_identities: Omit[tuple[NodeIdentity, ...] | None]
    templated_policies: Omit[tuple[TemplatedPolicy, ...] | None]
    local: bool
    auth_method: Omit[str]
    expiration_time: Omit[str]
    create_time: str
    hash: bytes
    create_index: int
    modify_index: int


class ACLPolicy(Row, frozen=True, kw_only=True):
    """Rules under a name, in the datacenters named or in all. ``rules`` is HCL or JSON text."""

    id: str = ""
    name: str = ""
    description: str = ""
    rules: str = ""
    datacenters: Omit[tuple[str, ...] | None] = None
    hash: bytes = b""
    create_index: int = 0
    modify_index: int = 0


class ACLPolicyStub(Row, frozen=True, kw_only=True):
    """A policy as lists show it: without its rules, datacenters always."""

    id: str
    name: str
    description: str
    datacenters: tuple[str, ...] | None
    hash: bytes
    create_index: int
    modify_index: int


class ACLRole(Row, frozen=True, kw_only=True):
    """A set of grants that tokens share."""

    id: str = ""
    name: str = ""
    description: str = ""
    policies: Omit[tuple[Link, ...] | None] = None
    service_identities: Omit[tuple[ServiceIdentity, ...] | None] = None
    node_identities: Omit[tuple[NodeIdentity, ...] | None] = None
    templated_policies: Omit[tuple[TemplatedPolicy, ...] | None] = None
    hash: bytes = b""
    create_index: int = 0
    modify_index: int = 0


class AuthMethod(Row, frozen=True, kw_only=True):
    """Whose word is taken for who a caller is. ``config`` is the type's own.

    ``token_locality`` is ``local`` (the same as "") or ``global``.
    """

    name: str = ""
    type: str = ""
    display_name: Omit[str] = ""
    description: Omit[str] = ""
    max_token_ttl: Omit[Duration] = 0
    token_locality: Omit[str] = ""
    config: dict[str, Any] | None = None
    create_index: int = 0
    modify_index: int = 0


class AuthMethodStub(Row, frozen=True, kw_only=True):
    """An auth method as lists show it: without its configuration, which may hold secrets."""

    name: str
    type: str
    display_name: Omit[str]
    description: Omit[str]
    max_token_ttl: Omit[Duration]
    token_locality: Omit[str]
    create_index: int
    modify_index: int


class BindVariables(Row, frozen=True, kw_only=True):
    """What a binding to a template fills it with; may refer to the login as ``bind_name`` does."""

    name: Omit[str] = ""


class BindingRule(Row, frozen=True, kw_only=True):
    """What a login grants: ``bind_name`` (which may hold ``${value.x}``) of kind ``bind_type``.

    ``selector`` is a filter of the login's fields; "" matches each login of the method.
    """

    id: str = ""
    description: str = ""
    auth_method: str = ""
    selector: str = ""
    bind_type: str = ""
    bind_name: str = ""
    bind_vars: Omit[BindVariables | None] = None
    create_index: int = 0
    modify_index: int = 0


def token_stub(token: ACLToken) -> ACLTokenStub:
    """A token for a list."""
    return _stub(ACLTokenStub, token)


def policy_stub(policy: ACLPolicy) -> ACLPolicyStub:
    """A policy for a list."""
    return _stub(ACLPolicyStub, policy)


def auth_method_stub(method: AuthMethod) -> AuthMethodStub:
    """An auth method for a list."""
    return _stub(AuthMethodStub, method)


def without_secret(token: ACLToken) -> ACLToken:
    """A token for a caller who may read tokens and not write them."""
    return msgspec.structs.replace(token, secret_id=HIDDEN_SECRET)


def _stub(stub: type[_Stub], row: Row) -> _Stub:
    """The fields of a row that its stub has too."""
    return stub(**{name: getattr(row, name) for name in stub.__struct_fields__})
