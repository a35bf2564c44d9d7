"""Whom the pools refuse."""

import msgspec
import pytest

from agent.membership.policy import LanPolicy, WanPolicy, networks
from gossip.core.types import Address


class Candidate(msgspec.Struct, frozen=True):
    name: str
    tags: dict[str, str]
    address: Address = Address(bytes((10, 0, 0, 1)), 8301)


def agent(name: str, node_id: str = "", **tags: str) -> Candidate:
    return Candidate(name, {"role": "node", "dc": "dc1", "id": node_id} | tags)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], ""),
        ([agent("b", "2"), agent("c", "3")], ""),
        ([agent("b"), agent("c")], ""),
        ([agent("b", "2"), agent("b", "2")], ""),
        ([agent("b", dc="dc2")], "Member 'b' part of wrong datacenter 'dc2'"),
        ([Candidate("b", {"role": "node"})], "Member 'b' part of wrong datacenter ''"),
        (
            [agent("b", "ID-1")],
            "Member 'b' has conflicting node ID 'id-1' with this agent's ID",
        ),
        (
            [agent("b", "2"), agent("c", "2")],
            "Member 'c' has conflicting node ID '2' with member 'b'",
        ),
        ([agent("me", "ID-1")], ""),
        ([agent("me", "2")], "Node name 'me' is in use by another agent: names must be unique"),
        ([agent("me")], "Node name 'me' is in use by another agent: names must be unique"),
    ],
)
def test_the_lan_takes_agents_of_one_datacenter_each_once(candidates, expected):
    assert expected == LanPolicy("dc1", "id-1", name="me").refuse(candidates)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([agent("a.dc1", role="consul"), agent("b.dc2", role="consul", dc="dc2")], ""),
        ([agent("c.dc1")], "Member 'c.dc1' is not a server"),
        ([Candidate("x", {})], "Member 'x' is not a server"),
    ],
)
def test_the_wan_takes_servers_of_any_datacenter(candidates, expected):
    assert expected == WanPolicy().refuse(candidates)


@pytest.mark.parametrize(
    ("ip", "is_allowed"),
    [
        (bytes((10, 0, 0, 1)), True),
        (bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 1)), True),
        (bytes((192, 168, 0, 1)), False),
        (bytes(15) + b"\x01", False),
    ],
)
def test_addresses_may_be_restricted(ip, is_allowed):
    allowed = networks(["10.0.0.0/8"])
    candidate = Candidate("b", {"role": "consul", "dc": "dc1"}, Address(ip, 1))

    for policy in (LanPolicy("dc1", "id-1", allowed, name="me"), WanPolicy(allowed)):
        assert is_allowed is (policy.refuse([candidate]) == "")


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [("90s", 90.0), ("", 5.0), ("soon", 5.0), ("-1s", 5.0), ("0", 5.0), ("1" * 40 + "s", 5.0)],
)
def test_a_client_may_ask_how_long_it_is_kept(text, expected_s):
    assert expected_s == LanPolicy("dc1", "1", name="me").reconnect_timeout_s({"rc_tm": text}, 5.0)
    assert WanPolicy().reconnect_timeout_s({"rc_tm": text}, 5.0) == 5.0
