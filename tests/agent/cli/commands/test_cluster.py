"""Claims about members, join, force-leave. Source: surface.md §6 and §14.2."""

import pytest

MEMBERS = [
    {
        "Name": "devn",
        "Addr": "127.0.0.1",
        "Port": 21301,
        "Tags": {"role": "consul", "build": "1.9.8:abc", "vsn": "2", "dc": "dc1", "segment": ""},
        "Status": 1,
    },
    {
        "Name": "c6",
        "Addr": "::1",
        "Port": 8301,
        "Tags": {"role": "node", "build": "1.9.8:abc", "vsn": "2", "dc": "dc1"},
        "Status": 4,
    },
]


@pytest.fixture
def members(agent):
    agent.say("GET", "/v1/agent/members", MEMBERS)
    return agent


def test_one_server_prints_consuls_table(agent, cli):
    agent.say("GET", "/v1/agent/members", MEMBERS[:1])

    assert cli("members").out == (
        "Node  Address          Status  Type    Build  Protocol  DC   Segment\n"
        "devn  127.0.0.1:21301  alive   server  1.9.8  2         dc1  <all>\n"
    )
    assert agent.requests[0].query == {"segment": "_all"}


def test_members_are_sorted_by_segment_then_name(members, cli):
    lines = cli("members").out.splitlines()

    assert [line.split()[0] for line in lines] == ["Node", "devn", "c6"]
    assert lines[2].split()[1:4] == ["[::1]:8301", "failed", "client"]


def test_status_pattern_selects_and_no_match_gives_2_silently(members, cli):
    assert cli("members", "-status=failed").out.count("\n") == 2
    result = cli("members", "-status=leaving")
    assert (result.code, result.out, result.err) == (2, "", "")
    assert cli("members", "-status=[").err.startswith("Failed to compile status regexp: ")


def test_detailed_prints_sorted_tags(members, cli):
    lines = cli("members", "-detailed").out.splitlines()

    assert lines[0].split() == ["Node", "Address", "Status", "Tags"]
    assert lines[1].endswith("build=1.9.8:abc,dc=dc1,role=consul,segment=,vsn=2")


def test_wan_asks_the_wan_pool(members, cli):
    cli("members", "-wan")

    assert members.requests[0].query == {"wan": "1"}


def test_join_counts_what_was_joined(agent, cli):
    agent.say("PUT", "/v1/agent/join/a:1")
    agent.say("PUT", "/v1/agent/join/b:1", b"no", status=500)

    result = cli("join", "a:1", "b:1")
    failed = cli("join", "b:1")

    assert result.code == 0
    assert result.out == "Successfully joined cluster by contacting 1 nodes.\n"
    assert failed.code == 1
    assert failed.err == (
        "Error joining address 'b:1': Unexpected response code: 500 (no)\n"
        "Failed to join any nodes.\n"
    )
    assert cli("join").code == 1


def test_force_leave_is_silent(agent, cli):
    agent.say("PUT", "/v1/agent/force-leave/n1")

    result = cli("force-leave", "-prune", "n1")

    assert (result.code, result.out) == (0, "")
    assert agent.requests[0].query == {"prune": "1"}
