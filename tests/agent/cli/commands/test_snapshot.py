"""Claims about snapshot. Source: surface.md §6, §14.2."""

import json

from catalog.rows.kv import KeyValue
from tests.agent.cli.archives import archive, state

META = {"Version": 1, "ID": "2-63-1606000000000", "Index": 63, "Term": 2, "Size": 5}


def test_save_verifies_then_writes_a_private_file(agent, cli, tmp_path):
    raw = archive(META, b"state")
    agent.say("GET", "/v1/snapshot", raw)
    target = tmp_path / "s.snap"

    result = cli("snapshot", "save", "-stale", str(target))

    assert result.out == "Saved and verified snapshot to index 63\n"
    assert target.read_bytes() == raw
    assert target.stat().st_mode & 0o777 == 0o600
    assert [target] == list(tmp_path.iterdir())
    assert agent.requests[0].query == {"stale": ""}


def test_save_of_a_damaged_answer_keeps_the_old_file(agent, cli, tmp_path):
    agent.say("GET", "/v1/snapshot", archive(META, b"state", summed_state=b"other"))
    target = tmp_path / "s.snap"
    target.write_bytes(b"old")

    result = cli("snapshot", "save", str(target))

    assert result.code == 1
    assert result.err.startswith("Error verifying snapshot file: hash check failed")
    assert target.read_bytes() == b"old"


def test_restore_sends_the_file(agent, cli, tmp_path):
    agent.say("PUT", "/v1/snapshot")
    (tmp_path / "s").write_bytes(b"raw")

    assert cli("snapshot", "restore", str(tmp_path / "s")).out == "Restored snapshot\n"
    assert agent.requests[0].body == b"raw"
    assert cli("snapshot", "restore", str(tmp_path / "none")).code == 1


def test_inspect_needs_no_agent(cli, tmp_path):
    (tmp_path / "s").write_bytes(archive(META, b"state"))

    assert cli("snapshot", "inspect", str(tmp_path / "s")).out == (
        " ID           2-63-1606000000000\n"
        " Size         5\n"
        " Index        63\n"
        " Term         2\n"
        " Version      1\n"
    )
    shown = cli("snapshot", "inspect", "-format=json", str(tmp_path / "s")).out
    assert json.loads(shown)["Meta"]["Index"] == 63
    assert json.loads(shown)["Stats"] == []
    assert cli("snapshot", "inspect").err == "Missing FILE argument\n"


def test_inspect_lists_what_the_state_consists_of(cli, tmp_path):
    entry = KeyValue(key="k", value=b"v" * 2000)
    (tmp_path / "s").write_bytes(archive(META, state({"kvs": 7}, [entry, entry])))

    lines = cli("snapshot", "inspect", str(tmp_path / "s")).out.splitlines()

    assert [line.split() for line in lines[6:]] == [
        ["Type", "Count", "Size"],
        ["----", "----", "----"],
        ["kvs", "2", "3.9KB"],
        ["index", "1", "21B"],
        ["----", "----", "----"],
        ["Total", "4KB"],
    ]
