"""The servers of all datacenters as the RPC pools see them."""

from agent.membership.servers_abroad import ServersAbroad
from agent.rpc.pool import ServerAddress
from gossip.core.types import Member, Status
from tests.agent.membership.test_server_list import server


class Wan:
    """A list over members that a test changes."""

    def __init__(self, *members: Member) -> None:
        self.members = members
        self.abroad = ServersAbroad(lambda: self.members, lambda: ("dc1", "dc2"))
        self.changes = 0
        self.become(*members)

    def count(self) -> None:
        self.changes += 1

    def become(self, *members: Member) -> None:
        self.members = members
        self.abroad.refresh()


def names(wan: Wan, datacenter: str) -> list[str]:
    return [each.name for each in wan.abroad.of(datacenter).servers()]


def test_servers_are_listed_by_datacenter_with_their_rpc_port():
    wan = Wan(server("a.dc1"), server("b.dc2", dc="dc2", port="7300"), server("c.dc2", dc="dc2"))

    expected = ServerAddress(
        id="id-b.dc2", name="b.dc2", host="10.0.0.1", port=7300, datacenter="dc2"
    )
    assert expected == wan.abroad.servers("dc2")[0]
    assert ["b.dc2", "c.dc2"] == names(wan, "dc2")
    assert ["a.dc1"] == names(wan, "dc1")
    assert [] == names(wan, "dc3")
    assert ("dc1", "dc2") == wan.abroad.datacenters()


def test_a_failed_server_is_kept_unhealthy_and_a_datacenter_that_left_is_unknown():
    wan = Wan(
        server("a.dc2", Status.FAILED, dc="dc2"),
        server("b.dc2", dc="dc2"),
        server("c.dc3", Status.LEFT, dc="dc3"),
    )

    view = wan.abroad.of("dc2")
    assert [("a.dc2", False), ("b.dc2", True)] == [(s.name, s.healthy) for s in view.servers()]
    assert 1 == view.node_count
    assert () == wan.abroad.servers("dc3")


def test_subscribers_hear_of_changes_of_servers_only():
    wan = Wan()
    cancel = wan.abroad.of("dc2").subscribe(wan.count)

    wan.become(server("a.dc2", dc="dc2"))
    wan.become(server("a.dc2", dc="dc2", extra="tag"))
    assert 1 == wan.changes
    wan.become(server("a.dc2", Status.FAILED, dc="dc2"))
    wan.become(server("a.dc2", Status.LEFT, dc="dc2"))
    assert 3 == wan.changes
    assert [] == names(wan, "dc2")

    cancel()
    cancel()
    wan.become(server("b.dc2", dc="dc2"))
    assert 3 == wan.changes
