"""Claims about operator. Source: surface.md §14.2."""

import json

SERVER = {
    "ID": "1165fa96-8369-fbea-edbd-d9572d6b6fc7",
    "Node": "devn",
    "Address": "127.0.0.1:21300",
    "Leader": True,
    "ProtocolVersion": "3",
    "Voter": True,
}
CONFIG = {
    "CleanupDeadServers": True,
    "LastContactThreshold": "200ms",
    "MaxTrailingLogs": 250,
    "MinQuorum": 0,
    "ServerStabilizationTime": "10s",
    "RedundancyZoneTag": "",
    "DisableUpgradeMigration": False,
    "UpgradeVersionTag": "",
    "CreateIndex": 4,
    "ModifyIndex": 9,
}
PATH = "/v1/operator/autopilot/configuration"


def test_list_peers_prints_consuls_table(agent, cli):
    agent.say("GET", "/v1/operator/raft/configuration", {"Servers": [SERVER], "Index": 1})

    assert cli("operator", "raft", "list-peers").out == (
        "Node  ID                                    Address          State   Voter  RaftProtocol\n"
        "devn  1165fa96-8369-fbea-edbd-d9572d6b6fc7  127.0.0.1:21300  leader  true   3\n"
    )


def test_remove_peer_needs_exactly_one_of_address_and_id(agent, cli):
    agent.say("DELETE", "/v1/operator/raft/peer")

    done = cli("operator", "raft", "remove-peer", "-address=h:1")

    assert done.out == 'Removed peer with address "h:1"\n'
    assert agent.requests[0].query == {"address": "h:1"}
    assert cli("operator", "raft", "remove-peer").code == 1
    assert cli("operator", "raft", "remove-peer", "-address=a", "-id=b").code == 1


def test_transfer_leader_reports_success(agent, cli):
    agent.say("POST", "/v1/operator/raft/transfer-leader", {"Success": True})

    assert cli("operator", "raft", "transfer-leader", "-id=x").out == "Success\n"
    assert agent.requests[0].query == {"id": "x"}


def test_get_config_prints_key_value_lines(agent, cli):
    agent.say("GET", PATH, CONFIG)

    assert cli("operator", "autopilot", "get-config").out == (
        "CleanupDeadServers = true\n"
        "LastContactThreshold = 200ms\n"
        "MaxTrailingLogs = 250\n"
        "MinQuorum = 0\n"
        "ServerStabilizationTime = 10s\n"
        'RedundancyZoneTag = ""\n'
        "DisableUpgradeMigration = false\n"
        'UpgradeVersionTag = ""\n'
    )


def test_set_config_changes_only_what_is_given_and_by_check_and_set(agent, cli):
    agent.say("GET", PATH, CONFIG)
    agent.say("PUT", PATH, True)
    agent.say("PUT", PATH, False)
    argv = ("operator", "autopilot", "set-config", "-cleanup-dead-servers=false")

    done = cli(*argv, "-last-contact-threshold=1500ms", "-max-trailing-logs=7")

    assert done.out == "Configuration updated!\n"
    request = agent.requests[1]
    assert request.query == {"cas": "9"}
    expected = {"CleanupDeadServers": False, "LastContactThreshold": "1.5s", "MaxTrailingLogs": 7}
    kept = {name: CONFIG[name] for name in CONFIG if not name.endswith("Index")}
    assert {**kept, **expected} == json.loads(request.body)
    assert cli(*argv).code == 1
    bad = cli("operator", "autopilot", "set-config", "-cleanup-dead-servers=perhaps")
    assert "must be true or false" in bad.err


def test_state_is_pretty_or_json(agent, cli):
    server = {
        "ID": "i1",
        "Name": "n1",
        "Address": "h:1",
        "NodeStatus": "alive",
        "Version": "1.9.8",
        "LastContact": "0s",
        "LastTerm": 2,
        "LastIndex": 30,
        "Healthy": True,
        "Status": "leader",
        "NodeType": "voter",
        "Meta": {"a": "b"},
    }
    state = {
        "Healthy": True,
        "FailureTolerance": 0,
        "OptimisticFailureTolerance": 0,
        "Servers": {"i1": server},
        "Leader": "i1",
        "Voters": ["i1"],
    }
    agent.say("GET", "/v1/operator/autopilot/state", state)

    assert "   i1\n      Name:            n1\n" in cli("operator", "autopilot", "state").out
    assert state == json.loads(cli("operator", "autopilot", "state", "-format=json").out)
    assert "-format" in cli("operator", "autopilot", "state", "-format=xml").err
