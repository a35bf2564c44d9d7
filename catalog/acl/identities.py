"""What identities grant: the policies that no one wrote.

A token or a role may name services, nodes and filled templates in place of policies. Each stands
for a synthetic policy: rules, and the datacenters they hold in (none: all). Source: Consul API,
/v1/acl/token, and its guide to service and node identities.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from catalog.acl.rights import Access, Resource
from catalog.acl.rules import Rule, Rules, Scope, write_rules
from catalog.acl.templates import NODE, SERVICE, TEMPLATES
from catalog.errors import Invalid
from catalog.rows.acl import ACLPolicy, ACLRole, ACLToken, NodeIdentity, ServiceIdentity
from catalog.rows.acl import TemplatedPolicy as Filled

_HASH_OF_NOTHING: Final = "6c62272e07bb014262b821756295c58d"
"""FNV-1a over 128 bits before the first byte: what Consul appends to the text to make an id."""


class SyntheticPolicy(msgspec.Struct, frozen=True):
    """Rules that an identity stands for, and the datacenters they hold in; none: all."""

    rules: Rules
    datacenters: tuple[str, ...]
    description: str

    def row(self) -> ACLPolicy:
        """As a policy, for answers that show what a token expands to."""
        text = write_rules(self.rules)
        policy_id = text.encode().hex() + _HASH_OF_NOTHING
        return ACLPolicy(
            id=policy_id,
            name=f"synthetic-policy-{policy_id}",
            description=self.description,
            rules=text,
            datacenters=self.datacenters or None,
        )


def service_policy(identity: ServiceIdentity) -> SyntheticPolicy:
    """To register a service and its sidecar, and to find all services and nodes."""
    name = identity.service_name
    description = f'synthetic policy for service identity "{name}"'
    return SyntheticPolicy(SERVICE.filled(name), identity.datacenters or (), description)


def node_policy(identity: NodeIdentity) -> SyntheticPolicy:
    """To register a node and find all services, in the node's own datacenter only."""
    name = identity.node_name
    description = f'synthetic policy for node identity "{name}"'
    return SyntheticPolicy(NODE.filled(name), (identity.datacenter,), description)


def templated_policy(filled: Filled) -> SyntheticPolicy:
    """What a template grants for the name given. Raises Invalid for a name of no template."""
    template = TEMPLATES.get(filled.template_name)
    if template is None:
        raise Invalid(f"acl templated policy does not exist: {filled.template_name}")
    variables = filled.template_variables
    return SyntheticPolicy(
        template.filled(variables.name if variables else ""),
        filled.datacenters or (),
        f"synthetic policy generated from templated policy: {template.name}",
    )


def synthetic_policies(holder: ACLToken | ACLRole) -> tuple[SyntheticPolicy, ...]:
    """All that the identities and templates of a token or a role stand for."""
    return (
        *map(service_policy, holder.service_identities or ()),
        *map(node_policy, holder.node_identities or ()),
        *map(templated_policy, holder.templated_policies or ()),
    )


def holds_in(datacenters: Iterable[str] | None, datacenter: str) -> bool:
    """Whether a policy limited to these datacenters (none: to no one) holds in one."""
    limits = tuple(datacenters or ())
    return not limits or datacenter in limits


def recovery_rules(node: str) -> Rules:
    """What the agent's own recovery token may do, on that agent alone."""
    return (
        Rule(Resource.AGENT, Access.WRITE, Scope.EXACT, node),
        Rule(Resource.NODE, Access.READ, Scope.PREFIX, ""),
    )


def merged_services(identities: Iterable[ServiceIdentity]) -> tuple[ServiceIdentity, ...]:
    """One identity a service, by name: of two the datacenters of both, or all if one has none."""
    found: dict[str, ServiceIdentity] = {}
    for identity in identities:
        known = found.setdefault(identity.service_name, identity)
        datacenters = None
        if known.datacenters and identity.datacenters:
            datacenters = tuple(sorted({*known.datacenters, *identity.datacenters}))
        found[identity.service_name] = msgspec.structs.replace(known, datacenters=datacenters)
    return tuple(found[name] for name in sorted(found))


def distinct_nodes(identities: Iterable[NodeIdentity]) -> tuple[NodeIdentity, ...]:
    """Each identity once, in the order given."""
    found = {(identity.node_name, identity.datacenter): identity for identity in identities}
    return tuple(found.values())
