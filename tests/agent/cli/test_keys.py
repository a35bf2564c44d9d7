"""Claims about reads and writes of entries."""

from agent.cli.keys import Entry, View, _entry


def test_empty_value_is_no_bytes_and_no_session_is_empty_text():
    found = {"Key": "k", "Value": None, "Flags": 3, "ModifyIndex": 7, "LockIndex": 0}

    assert _entry(found) == Entry("k", b"", 3, "", 7)


def test_value_is_decoded():
    found = {"Key": "k", "Value": "/wBh", "Flags": 0, "Session": "s", "ModifyIndex": 1}

    assert _entry(found).value == b"\xff\x00a"
    assert _entry(found).session == "s"


def test_absent_key_is_an_empty_view_with_the_index_to_wait_for(agent, cli):
    agent.say("GET", "/v1/kv/lk/.lock", b"", status=404)

    assert View((), 0).entries == ()
    assert cli("kv", "get", "lk/.lock").code == 1
