"""What can be asked of an authorizer, and what a refusal says: one vocabulary for all endpoints.

A right is a resource, an access and (for most resources) a name; an extent other than ONE asks for
many names at once. Source: Consul's guide to ACL rules and the texts that its servers answer with.
"""

from enum import Enum, IntEnum, StrEnum
from typing import Final

import msgspec

from catalog.errors import PermissionDenied

ANONYMOUS_ACCESSOR: Final = "00000000-0000-0000-0000-000000000002"
PERMISSION_DENIED: Final = "Permission denied"
_ANONYMOUS_HINT: Final = (
    "The anonymous token is used implicitly when a request does not specify a token."
)


class Access(IntEnum):
    """How far a rule goes, or a question: each level holds the ones below. LIST is for keys."""

    DENY = 0
    READ = 1
    LIST = 2
    WRITE = 3


class Resource(StrEnum):
    """What a rule is about, named as in the texts of refusals."""

    ACL = "acl"
    AGENT = "agent"
    EVENT = "event"
    INTENTION = "intention"
    KEY = "key"
    KEYRING = "keyring"
    MESH = "mesh"
    NODE = "node"
    OPERATOR = "operator"
    PEERING = "peering"
    QUERY = "query"
    SERVICE = "service"
    SESSION = "session"


class Extent(Enum):
    """Which names a question is about."""

    ONE = "one"
    """The name itself."""
    UNDER = "under"
    """Every name that starts with it, such as a tree of keys to delete."""
    ALL = "all"
    """Every name there could be."""
    ANY = "any"
    """At least one name, whichever."""


class Right(msgspec.Struct, frozen=True):
    """A question: may ``resource`` be accessed so, where ``name`` and ``extent`` say.

    The names of agents, nodes and sessions are those of nodes; the one of an intention is its
    destination. Resources without names (acl, keyring, mesh, operator, peering) leave it empty.
    """

    resource: Resource
    access: Access
    name: str = ""
    extent: Extent = Extent.ONE


ACL_READ: Final = Right(Resource.ACL, Access.READ)
ACL_WRITE: Final = Right(Resource.ACL, Access.WRITE)
"""Also what taking and restoring a snapshot needs."""
KEYRING_READ: Final = Right(Resource.KEYRING, Access.READ)
KEYRING_WRITE: Final = Right(Resource.KEYRING, Access.WRITE)
MESH_READ: Final = Right(Resource.MESH, Access.READ)
MESH_WRITE: Final = Right(Resource.MESH, Access.WRITE)
OPERATOR_READ: Final = Right(Resource.OPERATOR, Access.READ)
OPERATOR_WRITE: Final = Right(Resource.OPERATOR, Access.WRITE)
PEERING_READ: Final = Right(Resource.PEERING, Access.READ)
PEERING_WRITE: Final = Right(Resource.PEERING, Access.WRITE)
ALL_NODES_READ: Final = Right(Resource.NODE, Access.READ, extent=Extent.ALL)
ALL_SERVICES_READ: Final = Right(Resource.SERVICE, Access.READ, extent=Extent.ALL)
ANY_SERVICE_WRITE: Final = Right(Resource.SERVICE, Access.WRITE, extent=Extent.ANY)


class Denial(msgspec.Struct, frozen=True):
    """A refusal: the right that was missing, and the accessor of the token that lacked it.

    It holds nothing but what the caller asked and who the caller is, so that no text of it tells
    whether the thing exists. Which of the texts a client sees is the endpoint's choice.
    """

    right: Right
    accessor: str = ""

    @property
    def text(self) -> str:
        """What Consul 1.9 answers nearly everywhere."""
        return PERMISSION_DENIED

    @property
    def naming_right(self) -> str:
        """What Consul 1.9 answers where the agent itself refuses, and for autopilot."""
        name = self._name()
        where = f"on {name}" if name else "permissions"
        return f"{PERMISSION_DENIED}: Missing {self._missing()} {where}"

    @property
    def naming_token(self) -> str:
        """What Consul 1.21 answers: the token's accessor, the right and the name."""
        is_anonymous = self.accessor == ANONYMOUS_ACCESSOR
        who = "anonymous token" if is_anonymous else f"token with AccessorID '{self.accessor}'"
        text = f"{PERMISSION_DENIED}: {who} lacks permission '{self._missing()}'"
        if name := self._name():
            text += f' on "{name}"'
        return f"{text}. {_ANONYMOUS_HINT}" if is_anonymous else text

    def error(self) -> PermissionDenied:
        """The error to raise; answered 403."""
        return PermissionDenied(self.text)

    def _missing(self) -> str:
        return f"{self.right.resource}:{self.right.access.name.lower()}"

    def _name(self) -> str:
        match self.right.extent:
            case Extent.ALL:
                return f"all {self.right.resource}s"
            case Extent.ANY:
                return f"any {self.right.resource}"
            case Extent.ONE | Extent.UNDER:
                return self.right.name
