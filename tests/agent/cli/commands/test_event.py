"""Claims about event."""


def test_event_prints_its_id_and_sends_the_payload(agent, cli):
    agent.say("PUT", "/v1/event/fire/deploy", {"ID": "e1"})

    result = cli("event", "-name=deploy", "-service=web", "-tag=a", "-datacenter=dc2", "v2")

    assert result.out == "Event ID: e1\n"
    assert agent.requests[0].body == b"v2"
    assert agent.requests[0].query == {"service": "web", "tag": "a", "dc": "dc2"}


def test_event_needs_a_name_and_shows_refusals(agent, cli):
    agent.say("PUT", "/v1/event/fire/x", b"Cannot provide tag filter", status=500)

    assert cli("event").code == 1
    assert cli("event", "-name=x").err == (
        "Error firing event: Unexpected response code: 500 (Cannot provide tag filter)\n"
    )
