"""Whose leaf it is: a service of this agent, its mesh gateways, or the agent itself."""

from typing import Final, Literal, NamedTuple, assert_never

from agent.connect.certificates import Names
from agent.connect.spiffe import (
    AgentIdentity,
    MemberIdentity,
    MeshGatewayIdentity,
    ServiceIdentity,
)

OWN_NAMES: Final = ("localhost",)
OWN_ADDRESSES: Final = ("127.0.0.1", "::1")


class Holder(NamedTuple):
    """``name`` is the service or the node; a service's leaf may have DNS names of its hosts."""

    kind: Literal["service", "mesh-gateway", "agent"]
    name: str
    dns_names: tuple[str, ...] = ()

    def identity(self, trust_domain: str, datacenter: str) -> MemberIdentity:
        """Who that is in a mesh."""
        match self.kind:
            case "service":
                return ServiceIdentity(
                    trust_domain=trust_domain, datacenter=datacenter, service=self.name
                )
            case "mesh-gateway":
                return MeshGatewayIdentity(trust_domain=trust_domain, datacenter=datacenter)
            case "agent":
                return AgentIdentity(
                    trust_domain=trust_domain, datacenter=datacenter, node=self.name
                )
            case _:
                assert_never(self.kind)

    def names(self, identity: MemberIdentity) -> Names:
        """What the certificate calls it. An agent is reached on its own host too."""
        if self.kind == "agent":
            return Names(
                uri=identity.uri,
                dns_names=(*OWN_NAMES, *self.dns_names),
                ip_addresses=OWN_ADDRESSES,
            )
        return Names(uri=identity.uri, dns_names=self.dns_names)


def service(name: str, dns_names: tuple[str, ...] = ()) -> Holder:
    """A service; an ingress gateway's leaf names its hosts."""
    return Holder("service", name, dns_names)


def mesh_gateway() -> Holder:
    """The mesh gateways of this agent's datacenter."""
    return Holder("mesh-gateway", "mesh-gateway")


def agent(node: str) -> Holder:
    """The agent of a node."""
    return Holder("agent", node)
