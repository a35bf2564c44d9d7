"""Tags written and read back, and the API's member."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.membership.tags import coord_of, host_of, member_json, server_of, tags_of, wan_name
from agent.version import COMPATIBLE, REVISION
from catalog.duration import HOUR
from catalog.rows.node import Coord
from gossip.core.coordinates import ORIGIN
from gossip.core.types import META_BYTES_MAX, Address, Member, Status, Versions
from gossip.wire.payloads import WirePayloads
from tests.agent.membership.agents import make_client_config, make_config

ID = "0dd0d0a4-6c3b-4a4c-a6a4-f4ba8d5fe1c3"
VERSIONS = Versions(1, 5, 2, 2, 5, 4)
SERVER_TAGS = {
    "build": "1.9.8:rev",
    "dc": "dc1",
    "id": ID,
    "port": "8300",
    "raft_vsn": "3",
    "role": "consul",
    "vsn": "2",
    "wan_join_port": "8302",
}


def member(tags: dict[str, str], ip: bytes = bytes((10, 0, 0, 1))) -> Member:
    return Member("node-a", Address(ip, 8301), tags, Status.ALIVE, VERSIONS)


def test_a_client_says_no_port_and_only_a_client_asks_for_a_reconnect_timeout():
    expected = {
        "build": f"{COMPATIBLE}:{REVISION}",
        "dc": "dc1",
        "id": ID,
        "role": "node",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    config = make_client_config("c")
    asking = make_client_config("c", advertise_reconnect_timeout=HOUR)

    assert expected == tags_of(config, ID)
    assert expected | {"rc_tm": "1h0m0s"} == tags_of(asking, ID)


@pytest.mark.parametrize(
    ("fields", "tags"),
    [
        ({}, {"bootstrap": "1"}),
        ({"dev_mode": False}, {}),
        ({"dev_mode": False, "bootstrap_expect": 3}, {"expect": "3"}),
        ({"dev_mode": False, "bootstrap": True}, {"bootstrap": "1"}),
        (
            {"dev_mode": False, "read_replica": True},
            {"nonvoter": "1", "read_replica": "1"},
        ),
    ],
)
def test_a_server_says_how_it_begins(fields, tags):
    said = tags_of(make_config(**fields), ID)

    names = {"bootstrap", "expect", "nonvoter", "read_replica"}
    assert tags == {name: value for name, value in said.items() if name in names}


def test_the_port_of_the_wan_is_told_on_the_lan_only():
    config = make_config()

    assert "8302" == tags_of(config, ID, wan_join_port=8302)["wan_join_port"]
    assert "wan_join_port" not in tags_of(config, ID, wide=True, wan_join_port=8302)
    assert "wan_join_port" not in tags_of(config, ID)


def test_all_tags_fit_one_packet():
    config = make_config(
        "n" * 63, datacenter="d" * 63, bootstrap_expect=1000, dev_mode=False, read_replica=True
    )

    meta = WirePayloads().encode_tags(tags_of(config, ID, wan_join_port=65535))

    assert len(meta) <= META_BYTES_MAX


def test_a_server_is_read_back_from_its_tags():
    config = make_config("node-a", dev_mode=False, bootstrap_expect=3)

    server = server_of(member(tags_of(config, ID, wan_join_port=8302)))

    assert ("node-a", ID, "dc1", "10.0.0.1", 8300, 8302) == (
        server.name,
        server.id,
        server.datacenter,
        server.host,
        server.port,
        server.wan_join_port,
    )
    assert (False, 3, COMPATIBLE, "3", True) == (
        server.bootstrap,
        server.expect,
        server.build,
        server.raft_version,
        server.healthy,
    )


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("role", "node"),
        ("role", None),
        ("port", None),
        ("port", "x"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "١"),
        ("vsn", None),
        ("vsn", "two"),
        ("raft_vsn", "three"),
        ("expect", "x"),
        ("wan_join_port", "x"),
        ("wan_join_port", "70000"),
        ("build", None),
        ("build", "new:rev"),
    ],
)
def test_unreadable_tags_make_no_server(tag, value):
    tags = {**SERVER_TAGS, tag: value}

    assert server_of(member(SERVER_TAGS)) is not None
    assert server_of(member({k: v for k, v in tags.items() if v is not None})) is None


@given(st.dictionaries(st.sampled_from([*SERVER_TAGS, "expect"]), st.text(max_size=8)))
def test_any_tags_can_be_read(tags):
    server_of(member(SERVER_TAGS | tags))


def test_a_failed_server_is_not_healthy():
    failed = Member("a", Address(bytes(4), 1), SERVER_TAGS, Status.FAILED, VERSIONS)

    assert not server_of(failed).healthy


def test_a_member_has_the_shape_of_the_api():
    shown = member_json(member({"b": "2", "a": "1"}))

    assert shown == {
        "Name": "node-a", "Addr": "10.0.0.1", "Port": 8301, "Tags": {"a": "1", "b": "2"},
        "Status": 1, "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2,
        "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
    }  # fmt: skip
    assert ["a", "b"] == list(shown["Tags"])


def test_a_mapped_address_is_shown_as_the_plain_one():
    mapped = bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 1))

    assert ["10.0.0.1", "::1"] == [
        host_of(member({}, mapped)),
        host_of(member({}, bytes(15) + b"\x01")),
    ]


def test_the_coordinate_that_knows_nothing_is_the_catalogs_too():
    assert Coord() == coord_of(ORIGIN)


def test_names_on_the_wan_carry_the_datacenter():
    assert "node-a.dc1" == wan_name("node-a", "dc1")
