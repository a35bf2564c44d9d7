"""Claims about the datacenters that a server knows."""

from agent.membership.datacenters import by_distance, coordinates_by_datacenter
from agent.membership.tags import ServerInfo
from catalog.rows.node import Coord
from gossip.core.types import Status


def server(name: str, status: Status = Status.ALIVE) -> ServerInfo:
    return ServerInfo(
        id="",
        name=name,
        datacenter=name.partition(".")[2],
        host="127.0.0.1",
        port=8300,
        wan_join_port=0,
        bootstrap=False,
        expect=0,
        build="1.9.8",
        raft_version="3",
        status=status,
    )


def at(seconds: float) -> Coord:
    return Coord(vec=(seconds, *(0.0,) * 7))


def test_near_datacenters_come_first_and_the_own_one_before_all():
    far = {"s.dc1": at(0.5), "s.dc2": at(0.2), "s.dc3": at(0.1)}

    order = by_distance("dc1", at(0.0), [server(name) for name in far], far)

    assert ("dc1", "dc3", "dc2") == order


def test_the_median_server_decides_of_an_even_number_the_farther():
    far = {"a.dc2": at(0.1), "b.dc2": at(0.4), "a.dc3": at(0.2), "b.dc3": at(0.3)}

    order = by_distance("dc1", at(0.0), [server(name) for name in far], far)

    assert ("dc1", "dc3", "dc2") == order


def test_without_coordinates_names_decide_and_known_ones_are_nearer():
    names = ["s.dc4", "s.dc3", "s.dc2"]

    order = by_distance("dc1", at(0.0), [server(name) for name in names], {"s.dc4": at(9.0)})

    assert ("dc1", "dc4", "dc2", "dc3") == order


def test_a_datacenter_that_left_is_gone_and_one_that_failed_stays():
    servers = [server("s.dc2", Status.LEFT), server("s.dc3", Status.FAILED)]

    assert ("dc1", "dc3") == by_distance("dc1", at(0.0), servers, {})


def test_an_agent_alone_knows_its_own_datacenter():
    assert ("dc1",) == by_distance("dc1", at(0.0), [], {})


def test_coordinates_are_told_by_datacenter_under_the_nodes_own_name():
    known = {"b.dc2": at(0.2), "a.dc2": at(0.1), "a.dc1": at(0.0)}
    servers = [server(name) for name in (*known, "unheard.dc2", "unheard.dc3")]

    found = coordinates_by_datacenter(servers, known)

    assert {"dc1": {"a": at(0.0)}, "dc2": {"a": at(0.1), "b": at(0.2)}} == found
    assert (["dc1", "dc2"], ["a", "b"]) == (list(found), list(found["dc2"]))
