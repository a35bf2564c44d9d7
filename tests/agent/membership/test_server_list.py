"""The servers as the RPC pool sees them."""

from agent.membership.server_list import ServerList
from agent.rpc.pool import ServerAddress
from gossip.core.types import Address, Member, Status, Versions

VERSIONS = Versions(1, 5, 2, 2, 5, 4)


def server(name: str, status: Status = Status.ALIVE, **tags: str) -> Member:
    told = {"role": "consul", "dc": "dc1", "id": f"id-{name}", "build": "1.9.8:r"}
    told |= {"port": "8300", "vsn": "2"}
    return Member(name, Address(bytes((10, 0, 0, 1)), 8301), told | tags, status, VERSIONS)


class Lan:
    """A list over members that a test changes."""

    def __init__(self, *members: Member) -> None:
        self.members = members
        self.servers = ServerList("dc1", lambda: self.members)
        self.changes = 0

    def count(self) -> None:
        self.changes += 1

    def become(self, *members: Member) -> None:
        changed = [m for m in (*members, *self.members) if (m in members) != (m in self.members)]
        self.members = members
        self.servers.refresh(changed)


def test_servers_of_this_datacenter_are_listed_with_their_rpc_port():
    lan = Lan(server("a"), server("b", dc="dc2"), server("c", role="node"), server("d", port="x"))

    expected = ServerAddress(id="id-a", name="a", host="10.0.0.1", port=8300, datacenter="dc1")
    assert (expected,) == lan.servers.servers()


def test_a_failed_server_is_kept_unhealthy_and_one_that_left_is_not():
    lan = Lan(server("a", Status.FAILED), server("b", Status.LEAVING), server("c", Status.LEFT))

    assert [("a", False), ("b", False)] == [(s.name, s.healthy) for s in lan.servers.servers()]


def test_alive_members_are_counted():
    lan = Lan(server("a"), server("b", role="node"), server("c", Status.FAILED))

    assert 2 == lan.servers.node_count


def test_subscribers_hear_of_changes_of_servers_only():
    lan = Lan()
    cancel = lan.servers.subscribe(lan.count)

    lan.become(server("a"))
    lan.become(server("a"), server("b", role="node"))
    lan.become(server("a", extra="tag"))
    assert 1 == lan.changes
    lan.become(server("a", Status.FAILED))
    lan.become(server("a", role="node"))
    assert 3 == lan.changes

    cancel()
    cancel()
    lan.become(server("b"))
    assert 3 == lan.changes
