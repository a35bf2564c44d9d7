"""Claims about config. Source: surface.md §6 and §14.2."""

import json

import pytest

DOCUMENTS = {
    "entry.hcl": 'Kind = "service-defaults"\nName = "web"\nProtocol = "http"\n',
    "entry.json": '{"kind": "service-defaults", "name": "web", "protocol": "http"}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_write_takes_hcl_and_json_in_both_spellings(agent, cli, tmp_path, name):
    agent.say("PUT", "/v1/config", True)
    (tmp_path / name).write_text(DOCUMENTS[name])

    result = cli("config", "write", str(tmp_path / name))

    assert result.out == "Config entry written: service-defaults/web\n"
    assert len(json.loads(agent.requests[0].body)) == 3


def test_write_from_standard_input_by_check_and_set(agent, cli):
    agent.say("PUT", "/v1/config", False)

    result = cli(
        "config", "write", "-cas", "-modify-index=4", "-", stdin=DOCUMENTS["entry.hcl"].encode()
    )

    assert (result.code, result.err) == (1, "Config entry not updated: service-defaults/web\n")
    assert agent.requests[0].query == {"cas": "4"}


def test_write_of_what_cannot_be_parsed_names_the_file(agent, cli):
    result = cli("config", "write", "-", stdin=b"Kind = ")

    assert result.code == 1
    assert result.err.startswith("Failed to parse standard input: ")


def test_read_prints_json_and_a_missing_entry_prints_consuls_text(agent, cli):
    text = b'Config entry not found for "service-defaults" / "z"'
    agent.say("GET", "/v1/config/service-defaults/web", {"Kind": "service-defaults"})
    agent.say("GET", "/v1/config/service-defaults/z", text, status=404)

    found = cli("config", "read", "-kind=service-defaults", "-name=web")
    missing = cli("config", "read", "-kind", "service-defaults", "-name", "z")

    assert found.out == '{\n    "Kind": "service-defaults"\n}\n'
    assert (missing.code, missing.err) == (
        1,
        "Error reading config entry service-defaults/z: Unexpected response code: 404 "
        '(Config entry not found for "service-defaults" / "z")\n',
    )
    assert cli("config", "read", "-kind=x").err == "Must specify the -name parameter\n"


def test_list_and_delete(agent, cli):
    agent.say("GET", "/v1/config/service-defaults", [{"Name": "a"}, {"Name": "b"}])
    agent.say("DELETE", "/v1/config/service-defaults/a", {})

    assert cli("config", "list", "-kind=service-defaults").out == "a\nb\n"
    assert cli("config", "delete", "-kind=service-defaults", "-name=a").out == (
        "Config entry deleted: service-defaults/a\n"
    )


def test_entry_of_which_there_is_one_needs_no_name(agent, cli):
    agent.say("PUT", "/v1/config", True)
    agent.say("GET", "/v1/config/mesh", [{"Kind": "mesh"}])

    result = cli("config", "write", "-", stdin=b'Kind = "mesh"\nTLS { Incoming { } }\n')

    assert result.out == "Config entry written: mesh/mesh\n"
    assert cli("config", "list", "-kind=mesh", "-filter=a == b").out == "mesh\n"
    assert agent.requests[1].query == {"filter": "a == b"}


def test_write_tells_which_key_is_unknown(agent, cli):
    text = b'Bad request: Request decoding failed: 1 error occurred:\n\t* invalid config key "Nope"'
    agent.say("PUT", "/v1/config", text, status=400)

    result = cli("config", "write", "-", stdin=b'Kind = "mesh"\nNope = 1\n')

    assert result.code == 1
    assert 'invalid config key "Nope"' in result.err


def test_delete_takes_kind_and_name_from_a_file(agent, cli, tmp_path):
    agent.say("DELETE", "/v1/config/service-defaults/web", {})
    (tmp_path / "entry.hcl").write_text(DOCUMENTS["entry.hcl"])

    result = cli("config", "delete", "-filename", str(tmp_path / "entry.hcl"))

    assert result.out == "Config entry deleted: service-defaults/web\n"


def test_delete_by_check_and_set_looks_at_the_index(agent, cli):
    web = ("-kind=service-defaults", "-name=web", "-cas")
    agent.say("GET", "/v1/config/service-defaults/web", {"ModifyIndex": 7})
    agent.say("DELETE", "/v1/config/service-defaults/web", True)

    changed = cli("config", "delete", *web, "-modify-index=6")
    same = cli("config", "delete", *web, "-modify-index=7")

    assert (changed.code, changed.err) == (1, "Config entry not deleted: service-defaults/web\n")
    assert same.out == "Config entry deleted: service-defaults/web\n"
    assert ["GET", "GET", "DELETE"] == [request.method for request in agent.requests]
    assert cli("config", "delete", *web).code == 1
