"""The servers of this datacenter as the RPC pool asks for them, read from the LAN's members."""

from collections.abc import Callable, Iterable
from typing import Final

from agent.membership.tags import ServerInfo, server_of
from agent.rpc.pool import ServerAddress
from gossip.core.types import Member, Status

GONE: Final = (Status.LEFT, Status.NONE)


class ServerList:
    """Implements agent.rpc.pool.Servers. A failed server stays until it is reaped, unhealthy."""

    def __init__(self, datacenter: str, members: Callable[[], Iterable[Member]]) -> None:
        self._datacenter = datacenter
        self._members = members
        self._subscribers: dict[object, Callable[[], None]] = {}
        self._known: tuple[ServerAddress, ...] = ()

    def servers(self) -> tuple[ServerAddress, ...]:
        """The servers known now."""
        found = [server_of(member) for member in self._members() if member.status not in GONE]
        return tuple(
            address_of(server)
            for server in found
            if server is not None and server.datacenter == self._datacenter
        )

    @property
    def node_count(self) -> int:
        """The members of the datacenter that are alive, agents and servers."""
        return sum(member.status is Status.ALIVE for member in self._members())

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` at each change of the servers, until the returned function is called."""
        token = object()
        self._subscribers[token] = changed

        def cancel() -> None:
            self._subscribers.pop(token, None)

        return cancel

    def refresh(self, members: Iterable[Member]) -> None:
        """These members changed: tell the subscribers if servers did."""
        known_names = {server.name for server in self._known}
        if not any(server_of(m) is not None or m.name in known_names for m in members):
            return  # a thousand clients that join cost no look at all members each
        servers = self.servers()
        if servers == self._known:
            return
        self._known = servers
        for changed in list(self._subscribers.values()):
            changed()


def address_of(server: ServerInfo) -> ServerAddress:
    """A server as a pool dials it."""
    return ServerAddress(
        id=server.id,
        name=server.name,
        host=server.host,
        port=server.port,
        healthy=server.healthy,
        datacenter=server.datacenter,
    )
