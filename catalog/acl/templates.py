"""Built-in policies, and templates of policies that are filled with a name.

Source: Consul API, /v1/acl/templated-policy (since 1.17), and the identities it had before: an
identity of a service or a node is the template of the same name. ``Rule`` is the one source; the
texts that the API shows are written from it.
"""

from typing import Final

import msgspec

from catalog.acl.rights import Access, Resource
from catalog.acl.rules import Rule, Rules, Scope, write_rules
from catalog.rows.acl import ACLPolicy

NAME_VARIABLE: Final = "{{.Name}}"
"""Where a template's text takes the name."""

_READ: Final = Access.READ
_WRITE: Final = Access.WRITE


class Template(msgspec.Struct, frozen=True):
    """Rules whose names may hold ``NAME_VARIABLE``; ``takes_name`` says that one does."""

    id: str
    name: str
    description: str
    rules: Rules
    takes_name: bool

    @property
    def text(self) -> str:
        """The template as the API shows it."""
        return write_rules(self.rules)

    def filled(self, name: str) -> Rules:
        """The rules for a name; ignored by a template that takes none."""
        return tuple(
            msgspec.structs.replace(rule, name=rule.name.replace(NAME_VARIABLE, name))
            for rule in self.rules
        )


def _named(resource: Resource, access: Access, suffix: str = "") -> Rule:
    return Rule(resource, access, Scope.EXACT, NAME_VARIABLE + suffix)


def _every(resource: Resource, access: Access, intentions: Access | None = None) -> Rule:
    return Rule(resource, access, Scope.PREFIX, "", intentions)


def _template(number: int, name: str, description: str, *rules: Rule) -> Template:
    takes_name = any(NAME_VARIABLE in rule.name for rule in rules)
    return Template(
        f"00000000-0000-0000-0000-00000000000{number}", name, description, rules, takes_name
    )


SERVICE: Final = _template(
    3,
    "builtin/service",
    "What a service needs: to register itself and its sidecar, and to find the others.",
    _named(Resource.SERVICE, _WRITE),
    _named(Resource.SERVICE, _WRITE, "-sidecar-proxy"),
    _every(Resource.SERVICE, _READ),
    _every(Resource.NODE, _READ),
)
NODE: Final = _template(
    4,
    "builtin/node",
    "What the agent of a node needs: to register the node, and to find services.",
    _named(Resource.NODE, _WRITE),
    _every(Resource.SERVICE, _READ),
)
TEMPLATES: Final = {
    template.name: template
    for template in (
        SERVICE,
        NODE,
        _template(
            5,
            "builtin/dns",
            "What DNS needs: to find nodes, services and prepared queries.",
            _every(Resource.NODE, _READ),
            _every(Resource.SERVICE, _READ),
            _every(Resource.QUERY, _READ),
        ),
        _template(
            6,
            "builtin/nomad-server",
            "What a Nomad server needs.",
            Rule(Resource.ACL, _WRITE),
            _every(Resource.AGENT, _READ),
            _every(Resource.NODE, _READ),
            _every(Resource.SERVICE, _WRITE),
        ),
        _template(
            8,
            "builtin/api-gateway",
            "What an API gateway needs.",
            Rule(Resource.MESH, _READ),
            _every(Resource.NODE, _READ),
            _every(Resource.SERVICE, _READ),
            _named(Resource.SERVICE, _WRITE),
        ),
        _template(
            9,
            "builtin/nomad-client",
            "What a Nomad client needs.",
            _every(Resource.AGENT, _READ),
            _every(Resource.NODE, _READ),
            _every(Resource.SERVICE, _WRITE),
            _every(Resource.KEY, _READ),
        ),
    )
}


def _unlimited(access: Access, *more: Resource) -> Rules:
    """The same access to everything, in the order of the built-in policy's text."""
    return (
        Rule(Resource.ACL, access),
        _every(Resource.AGENT, access),
        _every(Resource.EVENT, access),
        _every(Resource.KEY, access),
        Rule(Resource.KEYRING, access),
        _every(Resource.NODE, access),
        Rule(Resource.OPERATOR, access),
        *(Rule(resource, access) for resource in more),
        _every(Resource.QUERY, access),
        _every(Resource.SERVICE, access, access),
        _every(Resource.SESSION, access),
    )


GLOBAL_MANAGEMENT: Final = ACLPolicy(
    id="00000000-0000-0000-0000-000000000001",
    name="global-management",
    description="Builtin Policy that grants unlimited access",
    # mesh and peering follow operator, so the text of 1.9 grants them as well.
    rules=write_rules(_unlimited(_WRITE)),
)
"""Its rules and datacenters never change, and it cannot be deleted."""
GLOBAL_READ_ONLY: Final = ACLPolicy(
    id="00000000-0000-0000-0000-000000000002",
    name="builtin/global-read-only",
    description="Builtin Policy that grants unlimited read-only access to all components",
    rules=write_rules(_unlimited(_READ, Resource.MESH, Resource.PEERING)),
)
"""Since 1.16."""
BUILTIN_POLICIES: Final = (GLOBAL_MANAGEMENT, GLOBAL_READ_ONLY)
