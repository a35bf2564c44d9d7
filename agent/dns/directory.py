"""The seam to the catalog: everything that DNS asks of it, and what it may fail with.

The front door never sees a store or an RPC; ``Directory`` is implemented over the endpoint table
and, in tests, by a dictionary.
"""

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from catalog.rows.check import CheckServiceNode
from catalog.rows.node import Node

T = TypeVar("T")

Cancel: TypeAlias = Callable[[], None]
"""Ends a subscription; calling it after the change, or twice, does nothing."""

Subscribe: TypeAlias = Callable[[Callable[[], None]], Cancel]
"""Registers a one-shot callback that runs when the rows behind an answer change.

If they changed between the read and this call, the callback runs at once: a cached answer must
not outlive its rows.
"""

ServiceKind: TypeAlias = Literal["service", "connect", "ingress"]


class DirectoryError(Exception):
    """The catalog cannot answer now; DNS says SERVFAIL."""


class NoLeader(DirectoryError):
    """No server leads the datacenter, or none can be reached."""


class UnknownDatacenter(DirectoryError):
    """No such datacenter is known; DNS says NXDOMAIN."""


class Found(msgspec.Struct, Generic[T], frozen=True):
    """An answer of the catalog; ``on_change`` None means that it must not be cached."""

    value: T
    on_change: Subscribe | None = None


class AddressOwner(msgspec.Struct, frozen=True):
    """Who has an address: a node, or a service registered with an address of its own."""

    kind: Literal["node", "service"]
    name: str
    datacenter: str


class QueryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a prepared query: healthy instances, best first when ``ordered``.

    ``datacenter`` is where they were found (failover may leave the asked one); ``ttl`` is the
    query's ``DNS.TTL`` as a duration's text, "" if it has none.
    """

    service: str
    datacenter: str
    nodes: tuple[CheckServiceNode, ...]
    ttl: str = ""
    ordered: bool = False


class Directory(Protocol):
    """Reads of the catalog; ``datacenter`` is lower case and never empty.

    Every method may raise UnknownDatacenter or another DirectoryError. Names are given in lower
    case and match without regard to case.
    """

    @property
    def is_current(self) -> bool:
        """Whether an answer that is kept, and whose rows have not changed, may be given again."""
        ...

    async def service_nodes(
        self, name: str, tags: tuple[str, ...], kind: ServiceKind, datacenter: str
    ) -> Found[tuple[CheckServiceNode, ...]]:
        """Instances that carry every tag, whatever their health; empty if there are none."""
        ...

    async def node(self, name: str, datacenter: str) -> Found[Node | None]:
        """The node of that name."""
        ...

    async def by_address(self, address: str) -> Found[AddressOwner | None]:
        """Who has the address (RFC 5952 text): nodes first, then services."""
        ...

    async def query(
        self, name_or_id: str, datacenter: str, source_address: str, limit: int
    ) -> Found[QueryAnswer | None]:
        """Run a prepared query; ``limit`` 0 means all instances.

        ``source_address`` is the client's subnet if it sent one, else its own address. If the
        answer depends on it, ``on_change`` is None.
        """
        ...

    async def servers(self, datacenter: str) -> Found[tuple[CheckServiceNode, ...]]:
        """The ``consul`` service's instances, for NS records."""
        ...
