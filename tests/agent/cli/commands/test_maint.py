"""Claims about maint."""

import pytest


def test_node_and_service_enter_and_leave_maintenance(agent, cli):
    agent.say("PUT", "/v1/agent/maintenance")
    agent.say("PUT", "/v1/agent/service/maintenance/web")

    assert cli("maint", "-enable", "-reason=why").out == "Node maintenance is now enabled\n"
    assert agent.requests[0].query == {"enable": "true", "reason": "why"}
    assert cli("maint", "-disable", "-service=web").out == (
        'Service maintenance is now disabled for "web"\n'
    )
    assert agent.requests[1].query == {"enable": "false"}


def test_without_flags_what_is_in_maintenance_is_listed(agent, cli):
    agent.say("GET", "/v1/agent/self", {"Config": {"NodeName": "n1"}})
    checks = {
        "_node_maintenance": {"Notes": "a", "ServiceID": ""},
        "_service_maintenance:web": {"Notes": "b", "ServiceID": "web"},
        "other": {"Notes": "", "ServiceID": ""},
    }
    agent.say("GET", "/v1/agent/checks", checks)

    assert cli("maint").out == (
        "Node:\n  Name:   n1\n  Reason: a\n\nService:\n  ID:     web\n  Reason: b\n\n"
    )


@pytest.mark.parametrize(
    "argv", [("-enable", "-disable"), ("-reason=x",), ("-service=web",), ("-disable", "-reason=x")]
)
def test_flags_that_contradict_are_refused(agent, cli, argv):
    assert cli("maint", *argv).code == 1
    assert agent.requests == []
