"""Claims about intention. Source: surface.md §6 and §14.2."""

import json

EXACT = "/v1/connect/intentions/exact"
ALL = "/v1/connect/intentions"
INTENTION = {
    "ID": "fdde5428-5290-334f-421c-956d025d4ea9",
    "SourceNS": "default",
    "SourceName": "x",
    "DestinationNS": "default",
    "DestinationName": "y",
    "SourceType": "consul",
    "Action": "allow",
    "Precedence": 9,
    "CreatedAt": "2026-11-25T04:27:02.123456789Z",
}


def test_create_posts_and_says_what_was_created(agent, cli):
    agent.say("POST", ALL, {"ID": "i"})

    assert cli("intention", "create", "x", "y").out == "Created: x => y (allow)\n"
    assert cli("intention", "create", "-deny", "-meta=a=b", "x", "y").out == (
        "Created: x => y (deny)\n"
    )
    assert json.loads(agent.requests[1].body) == {
        "SourceName": "x",
        "DestinationName": "y",
        "SourceType": "consul",
        "Action": "deny",
        "Meta": {"a": "b"},
    }


def test_create_shows_the_duplicate_and_replace_updates_it(agent, cli):
    agent.say("POST", ALL, b"duplicate intention found", status=500)
    agent.say("GET", EXACT, INTENTION)
    agent.say("PUT", f"{ALL}/{INTENTION['ID']}", {"ID": INTENTION["ID"]})

    refused = cli("intention", "create", "x", "y")

    assert refused.code == 1
    assert refused.err == (
        'Error creating intention "x => y (allow)": '
        "Unexpected response code: 500 (duplicate intention found)\n"
    )
    assert cli("intention", "create", "-replace", "x", "y").code == 0


def test_create_from_files(agent, cli, tmp_path):
    agent.say("POST", ALL, {"ID": "i"})
    file = tmp_path / "i.json"
    wanted = {"SourceName": "a", "DestinationName": "b", "Action": "deny"}
    file.write_text(json.dumps(wanted))

    assert cli("intention", "create", "-file", str(file)).out == "Created: a => b (deny)\n"
    assert wanted == json.loads(agent.requests[0].body)
    file.write_text("[")
    assert cli("intention", "create", "-file", str(file)).err.startswith("Error: Failed to parse")


def test_check_tells_by_exit_code(agent, cli):
    agent.say("GET", "/v1/connect/intentions/check", {"Allowed": True})
    agent.say("GET", "/v1/connect/intentions/check", {"Allowed": False})

    assert (cli("intention", "check", "x", "y").out, 0) == ("Allowed\n", 0)
    denied = cli("intention", "check", "x", "y")
    assert (denied.code, denied.out) == (1, "Denied\n")


def test_match_lists_in_order(agent, cli):
    other = {**INTENTION, "SourceName": "*", "Action": "deny"}
    agent.say("GET", "/v1/connect/intentions/match", {"y": [INTENTION, other]})

    assert cli("intention", "match", "y").out == "x => y (allow)\n* => y (deny)\n"
    assert agent.requests[0].query == {"by": "destination", "name": "y"}
    cli("intention", "match", "-source", "y")
    assert agent.requests[1].query["by"] == "source"


def test_get_prints_consuls_block(agent, cli):
    agent.say("GET", EXACT, INTENTION)
    agent.say("GET", f"{ALL}/{INTENTION['ID']}", INTENTION)

    expected = (
        "Source:       x\n"
        "Destination:  y\n"
        "Action:       allow\n"
        "ID:           fdde5428-5290-334f-421c-956d025d4ea9\n"
        "Created At:   Wednesday, 25-Nov-26 04:27:02 UTC\n"
    )
    assert expected == cli("intention", "get", "x", "y").out
    assert expected == cli("intention", "get", INTENTION["ID"]).out


def test_get_and_delete_of_a_missing_one_fail(agent, cli):
    agent.say("GET", EXACT, b"Intention not found", status=404)

    expected = 'Error: Intention with source "x" and destination "y" not found.\n'
    assert expected == cli("intention", "get", "x", "y").err
    assert expected == cli("intention", "delete", "x", "y").err


def test_delete_by_names_or_id(agent, cli):
    agent.say("GET", EXACT, INTENTION)
    agent.say("DELETE", EXACT, True)
    agent.say("DELETE", f"{ALL}/i", True)

    assert cli("intention", "delete", "x", "y").out == "Intention deleted.\n"
    assert cli("intention", "delete", "i").out == "Intention deleted.\n"


def test_list_is_a_table(agent, cli):
    plain = {key: value for key, value in INTENTION.items() if key not in {"ID", "Action"}}
    agent.say("GET", ALL, [{**INTENTION, "ID": "i1"}, {**plain, "Permissions": [{}, {}]}])

    assert cli("intention", "list").out == (
        "ID  Source  Action         Destination  Precedence\n"
        "i1  x       allow          y            9\n"
        "    x       2 PERMISSIONS  y            9\n"
    )
