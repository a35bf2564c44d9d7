"""Claims about kv. Sources: surface.md §6 and §14.2; cases kv-05, cli-01."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.cli.fake_agent import Row


def test_put_then_get_prints_the_value_and_one_newline(agent, cli):
    assert cli("kv", "put", "foo", "bar").out == "Success! Data written to: foo\n"

    assert cli("kv", "get", "foo").out == "bar\n"


def test_binary_value_from_standard_input_comes_back_unchanged(agent, cli):
    value = bytes(range(256)) + b"\xff\x00bin"

    assert cli("kv", "put", "k", "-", stdin=value).code == 0
    assert agent.rows["k"].value == value
    assert cli("kv", "get", "k").raw == value + b"\n"


def test_value_from_a_file_and_from_a_missing_file(agent, cli, tmp_path):
    (tmp_path / "v").write_bytes(b"\x00\x01")

    assert cli("kv", "put", "k", f"@{tmp_path / 'v'}").code == 0
    assert agent.rows["k"].value == b"\x00\x01"
    result = cli("kv", "put", "k", "@/nonexistent")
    assert result.code == 1
    assert result.err == (
        "Error! Failed to read file: open /nonexistent: no such file or directory\n"
    )


def test_value_may_begin_with_a_dash(agent, cli):
    assert cli("kv", "put", "--", "k", "-5").code == 0

    assert agent.rows["k"].value == b"-5"


def test_base64_is_decoded_on_put_and_printed_on_get(agent, cli):
    assert cli("kv", "put", "-base64", "k", "YmFy").code == 0

    assert agent.rows["k"].value == b"bar"
    assert cli("kv", "get", "-base64", "k").out == "YmFy\n"
    assert cli("kv", "put", "-base64", "k", "!").code == 1


def test_missing_key_is_an_error_on_get_and_none_on_delete(agent, cli):
    result = cli("kv", "get", "nosuch")

    assert (result.code, result.out, result.err) == (1, "", "Error! No key exists at: nosuch\n")
    assert cli("kv", "delete", "nosuch").out == "Success! Deleted key: nosuch\n"


def test_empty_value_is_empty_and_never_null(agent, cli):
    assert cli("kv", "put", "emp").code == 0

    assert cli("kv", "get", "emp").raw == b"\n"
    assert json.loads(cli("kv", "export", "emp").out) == [{"key": "emp", "flags": 0, "value": ""}]


@pytest.mark.parametrize(
    "argv", [("put", "/x", "v"), ("get", "/x"), ("delete", "/x"), ("delete", "-recurse", "/x")]
)
def test_leading_slash_is_refused_by_name(agent, cli, argv):
    result = cli("kv", *argv)

    assert result.code == 1
    assert "Invalid key. Key must not begin with a '/': /x\n" in result.err
    assert agent.requests == []


def test_double_slash_and_dots_reach_the_agent_escaped(agent, cli):
    for key, path in [
        ("a//b", "/v1/kv/a%2F%2Fb"),
        ("a/../b", "/v1/kv/a%2F..%2Fb"),
        ("a/b c?", "/v1/kv/a/b%20c%3F"),
    ]:
        assert cli("kv", "put", key, "v").code == 0
        assert agent.requests[-1].raw_path.partition("?")[0] == path
        assert cli("kv", "get", key).out == "v\n"


def test_check_and_set_failures_say_which(agent, cli):
    agent.rows["k"] = Row(b"1", 0, "", 5, 7)

    exists = cli("kv", "put", "-cas", "k", "2")
    stale = cli("kv", "put", "-cas", "-modify-index=6", "k", "2")
    delete = cli("kv", "delete", "-cas", "-modify-index=6", "k")

    assert exists.err == (
        "Error! Did not write to k: CAS performed with index=0 and key already exists.\n"
    )
    assert stale.err == "Error! Did not write to k: CAS failed\n"
    assert delete.err == "Error! Did not delete key k: CAS failed\n"
    assert (exists.code, stale.code, delete.code) == (1, 1, 1)


def test_lock_is_acquired_and_released_by_session(agent, cli):
    agent.sessions |= {"s1": {}, "s2": {}}

    assert cli("kv", "put", "-acquire", "-session=s1", "l").out == "Success! Lock acquired on: l\n"
    other = cli("kv", "put", "-acquire", "-session=s2", "l")
    assert (other.code, other.err) == (1, "Error! Did not acquire lock\n")
    assert cli("kv", "put", "-release", "-session=s1", "l").out == "Success! Lock released on: l\n"
    assert "-session" in cli("kv", "put", "-acquire", "l").err


def test_detailed_is_aligned_as_consul_does(agent, cli):
    agent.rows["foo"] = Row(b"bar", 0, "", 57, 57)

    assert cli("kv", "get", "-detailed", "foo").out == (
        "CreateIndex      57\n"
        "Flags            0\n"
        "Key              foo\n"
        "LockIndex        0\n"
        "ModifyIndex      57\n"
        "Session          -\n"
        "Value            bar\n"
    )


def test_recurse_and_keys_list_a_prefix(agent, cli):
    for key in ("a/1", "a/2", "b"):
        agent.rows[key] = Row(key.encode(), 0, "", 1, 1)

    assert cli("kv", "get", "-recurse", "a/").out == "a/1:a/1\na/2:a/2\n"
    assert cli("kv", "get", "-keys").out == "a/1\na/2\nb\n"
    assert cli("kv", "get", "-recurse", "none").code == 0
    assert agent.requests[1].query["separator"] == "/"


def test_recursive_delete_takes_the_prefix(agent, cli):
    agent.rows |= {"a/1": Row(b"", 0, "", 1, 1), "b": Row(b"", 0, "", 1, 1)}

    assert cli("kv", "delete", "-recurse", "a").out == "Success! Deleted keys with prefix: a\n"
    assert list(agent.rows) == ["b"]
    assert cli("kv", "delete").err == "Error! Missing KEY argument\n"


def test_export_is_indented_by_tabs(agent, cli):
    agent.rows["foo"] = Row(b"bar", 0, "", 57, 57)

    assert cli("kv", "export", "foo").out == (
        '[\n\t{\n\t\t"key": "foo",\n\t\t"flags": 0,\n\t\t"value": "YmFy"\n\t}\n]\n'
    )
    assert cli("kv", "export", "none").out == "[]\n"


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1),
        st.tuples(st.binary(max_size=64), st.integers(0, 2**64 - 1)),
        max_size=4,
    )
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_export_and_import_round_trip(agent, cli, entries):
    agent.rows = {key: Row(value, flags, "", 1, 1) for key, (value, flags) in entries.items()}
    exported = cli("kv", "export").raw
    agent.rows = {}

    result = cli("kv", "import", "-", stdin=exported)

    assert result.code == 0, result.err
    assert entries == {key: (row.value, row.flags) for key, row in agent.rows.items()}


def test_import_reports_each_key_and_refuses_what_is_no_export(agent, cli):
    assert cli("kv", "import", '[{"key":"k","flags":3,"value":null}]').out == "Imported: k\n"
    assert agent.rows["k"].flags == 3
    assert cli("kv", "import", "-prefix=p/", '[{"key":"k","value":""}]').out == "Imported: p/k\n"
    assert cli("kv", "import", "{").err.startswith("Cannot unmarshal data: ")
    assert cli("kv", "import", '{"key":1}').code == 1


def test_server_refusal_shows_status_and_text(agent, cli):
    agent.say("PUT", "/v1/kv/k", b"Request body too large", status=413)

    result = cli("kv", "put", "k", "v")

    assert result.code == 1
    assert result.err == (
        "Error! Failed writing data: Unexpected response code: 413 (Request body too large)\n"
    )


def test_datacenter_and_stale_go_into_the_query(agent, cli):
    cli("kv", "get", "-datacenter=dc2", "-stale", "k")

    assert agent.requests[-1].query == {"dc": "dc2", "stale": ""}
