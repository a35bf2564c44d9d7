"""Servers read from gossip's members."""

import msgspec
import pytest

from agent.server.server_members import address_of, server_members, split_address
from gossip.core.types import Address, Member, Status
from tests.agent.server.fleet import VERSIONS, in_gossip, seen


def test_servers_are_sorted_by_id_and_clients_are_left_out():
    client = Member(
        "web", Address(bytes(4), 1), {"role": "node", "id": "w"}, Status.ALIVE, VERSIONS
    )

    found = server_members([in_gossip("b"), client, in_gossip("a")], "dc1")

    assert (seen("a"), seen("b")) == found


def test_servers_of_other_datacenters_and_without_id_are_left_out():
    strangers = [in_gossip("a", dc="dc2"), in_gossip("b", id="")]

    assert () == server_members(strangers, "dc1")


@pytest.mark.parametrize("tag", ["read_replica", "nonvoter"])
def test_a_read_replica_is_known_by_either_tag(tag):
    (found,) = server_members([in_gossip("a", **{tag: "1"})], "dc1")

    assert found.read_replica


def test_how_it_begins_is_read():
    first, second = server_members(
        [in_gossip("a", expect="3"), in_gossip("b", bootstrap="1")], "dc1"
    )

    assert (3, False) == (first.expect, first.bootstrap)
    assert (0, True) == (second.expect, second.bootstrap)


@pytest.mark.parametrize("worse", [Status.LEAVING, Status.FAILED, Status.LEFT])
def test_a_renamed_server_that_is_alive_speaks_for_its_id(worse):
    old = msgspec.structs.replace(in_gossip("a", worse), name="a-old-name")

    for members in ([old, in_gossip("a")], [in_gossip("a"), old]):
        (found,) = server_members(members, "dc1")
        assert ("srv-a", Status.ALIVE) == (found.name, found.status)


@pytest.mark.parametrize(
    ("host", "text"), [("10.0.0.1", "10.0.0.1:8300"), ("fe80::1", "[fe80::1]:8300")]
)
def test_addresses_are_written_and_read(host, text):
    assert text == address_of(host, 8300)
    assert (host, 8300) == split_address(text)
