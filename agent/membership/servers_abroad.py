"""The servers of every datacenter as the RPC pools ask for them, read from the WAN's members.

Only servers have such members, a client has none. Source: Consul's router of WAN areas.
"""

from collections.abc import Callable, Iterable

from agent.membership.server_list import GONE, address_of
from agent.membership.tags import server_of
from agent.rpc.pool import ServerAddress
from gossip.core.types import Member


class ServersAbroad:
    """Implements agent.rpc.abroad.Atlas. A failed server stays until it is reaped, unhealthy.

    ``nearest`` gives all datacenters known, near ones first.
    """

    def __init__(
        self,
        members: Callable[[], Iterable[Member]],
        nearest: Callable[[], tuple[str, ...]],
    ) -> None:
        self._members = members
        self._nearest = nearest
        self._subscribers: dict[object, Callable[[], None]] = {}
        self._by_datacenter: dict[str, tuple[ServerAddress, ...]] = {}

    def datacenters(self) -> tuple[str, ...]:
        """The datacenters known, this one too, near ones first."""
        return self._nearest()

    def servers(self, datacenter: str) -> tuple[ServerAddress, ...]:
        """The servers of a datacenter; none when it is not known."""
        return self._by_datacenter.get(datacenter, ())

    def of(self, datacenter: str) -> "ServersOf":
        """One datacenter's servers, as a pool follows them."""
        return ServersOf(self, datacenter)

    def node_count(self, datacenter: str) -> int:
        """The servers of a datacenter that are alive."""
        return sum(server.healthy for server in self.servers(datacenter))

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change of the servers, until the returned function is called."""
        token = object()
        self._subscribers[token] = changed

        def cancel() -> None:
            self._subscribers.pop(token, None)

        return cancel

    def refresh(self) -> None:
        """The members changed: tell the subscribers if what is known of servers did."""
        known = _by_datacenter(self._members())
        if known == self._by_datacenter:
            return
        self._by_datacenter = known
        for changed in list(self._subscribers.values()):
            changed()


class ServersOf:
    """Implements agent.rpc.pool.Servers for one datacenter."""

    def __init__(self, atlas: ServersAbroad, datacenter: str) -> None:
        self._atlas = atlas
        self._datacenter = datacenter

    def servers(self) -> tuple[ServerAddress, ...]:
        """The servers known now."""
        return self._atlas.servers(self._datacenter)

    @property
    def node_count(self) -> int:
        """Who asks this datacenter is not known; its own servers, about as many, are."""
        return self._atlas.node_count(self._datacenter)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """See ServersAbroad.subscribe."""
        return self._atlas.subscribe(changed)


def _by_datacenter(members: Iterable[Member]) -> dict[str, tuple[ServerAddress, ...]]:
    found: dict[str, list[ServerAddress]] = {}
    for member in members:
        server = server_of(member)
        if server is not None and member.status not in GONE:
            found.setdefault(server.datacenter, []).append(address_of(server))
    return {name: tuple(servers) for name, servers in found.items()}
