"""Identities in the mesh: SPIFFE URIs and the common names beside them.

Source: SPIFFE ID standard; Consul, service identities
(https://developer.hashicorp.com/consul/docs/connect/connect-internals).
"""

import re
from typing import Final, assert_never
from urllib.parse import quote, unquote, urlsplit

import msgspec

NAMESPACE: Final = "default"
COMMON_NAME_BYTES_MAX: Final = 64
"""The limit of X.509 (upper bound of a common name)."""
DATACENTER_CHARACTERS: Final = 16
"""As much of a datacenter's name as leaves room for a node's."""

_SERVICE: Final = re.compile(r"/ns/([^/]+)/dc/([^/]+)/svc/([^/]+)")
_AGENT: Final = re.compile(r"/agent/client/dc/([^/]+)/id/([^/]+)")
_MESH_GATEWAY: Final = re.compile(r"/gateway/mesh/dc/([^/]+)")
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]")


class BadIdentity(ValueError):
    """The text is no identity of this mesh; ``str()`` says why."""


class ServiceIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A service; ``trust_domain`` includes ``.consul``."""

    trust_domain: str
    datacenter: str
    service: str
    namespace: str = NAMESPACE

    @property
    def uri(self) -> str:
        """The URI in the certificate of every instance."""
        return (
            f"spiffe://{self.trust_domain}/ns/{quote(self.namespace, safe='')}"
            f"/dc/{quote(self.datacenter, safe='')}/svc/{quote(self.service, safe='')}"
        )


class AgentIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A client agent."""

    trust_domain: str
    datacenter: str
    node: str

    @property
    def uri(self) -> str:
        """The URI in the agent's certificate."""
        return (
            f"spiffe://{self.trust_domain}/agent/client"
            f"/dc/{quote(self.datacenter, safe='')}/id/{quote(self.node, safe='')}"
        )


class MeshGatewayIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The mesh gateways of a datacenter, all of them."""

    trust_domain: str
    datacenter: str

    @property
    def uri(self) -> str:
        """The URI in the certificate of every mesh gateway."""
        return f"spiffe://{self.trust_domain}/gateway/mesh/dc/{quote(self.datacenter, safe='')}"


class AuthorityIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The authority of a whole trust domain."""

    trust_domain: str

    @property
    def uri(self) -> str:
        """The URI in root certificates."""
        return f"spiffe://{self.trust_domain}"


MemberIdentity = ServiceIdentity | AgentIdentity | MeshGatewayIdentity
"""Whom a leaf can be about."""

Identity = MemberIdentity | AuthorityIdentity


def parse_identity(uri: str) -> Identity:
    """The identity of a URI. Raises BadIdentity."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise BadIdentity(str(error)) from None
    if parts.scheme != "spiffe":
        raise BadIdentity("SPIFFE ID must have 'spiffe' scheme")
    trust_domain = parts.netloc.lower()
    if found := _SERVICE.fullmatch(parts.path):
        namespace, datacenter, service = map(unquote, found.groups())
        return ServiceIdentity(
            trust_domain=trust_domain, datacenter=datacenter, service=service, namespace=namespace
        )
    if found := _AGENT.fullmatch(parts.path):
        datacenter, node = map(unquote, found.groups())
        return AgentIdentity(trust_domain=trust_domain, datacenter=datacenter, node=node)
    if found := _MESH_GATEWAY.fullmatch(parts.path):
        return MeshGatewayIdentity(trust_domain=trust_domain, datacenter=unquote(found[1]))
    if trust_domain and parts.path in {"", "/"}:
        return AuthorityIdentity(trust_domain=trust_domain)
    message = f"SPIFFE ID is not in the expected format: {uri}"
    raise BadIdentity(message)


def root_common_name(cluster_id: str, unique: str) -> str:
    """The common name of a root; ``unique`` tells roots of one cluster apart."""
    return f"pri-{_sanitized(unique)[:8]}.consul.ca.{cluster_id[:8]}.consul"


def intermediate_common_name(cluster_id: str, unique: str) -> str:
    """The common name of an intermediate."""
    return f"sec-{_sanitized(unique)[:8]}.consul.ca.{cluster_id[:8]}.consul"


def leaf_common_name(identity: MemberIdentity) -> str:
    """The common name of a leaf: for people, since identities are compared by URI."""
    match identity:
        case ServiceIdentity(service=name):
            kind = f"svc.{NAMESPACE}"
        case AgentIdentity(node=name, datacenter=datacenter):
            kind = "agnt." + _sanitized(datacenter)[:DATACENTER_CHARACTERS]
        case MeshGatewayIdentity(datacenter=name):
            kind = f"mgw.{NAMESPACE}"
        case _:
            assert_never(identity)
    suffix = f".{kind}.{identity.trust_domain[:8]}.consul"
    return _sanitized(name)[: COMMON_NAME_BYTES_MAX - len(suffix)] + suffix


def _sanitized(name: str) -> str:
    return _NOT_A_NAME.sub("", name.lower())
