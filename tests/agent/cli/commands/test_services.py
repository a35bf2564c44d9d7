"""Claims about services register and deregister."""

import json

REGISTER = "/v1/agent/service/register"


def test_register_from_flags_sends_the_whole_definition(agent, cli):
    agent.say("PUT", REGISTER)

    result = cli(
        "services", "register", "-name=web", "-id=w1", "-port=80", "-address=1.2.3.4",
        "-tag=a", "-tag=b", "-meta=k=v", "-tagged-address=lan=10.0.0.1:81",
        "-tagged-address=wan=[::1]:82", "-tagged-address=lan_ipv4=10.0.0.1",
    )  # fmt: skip

    assert result.out == "Registered service: web\n"
    assert json.loads(agent.requests[0].body) == {
        "Kind": "",
        "ID": "w1",
        "Name": "web",
        "Address": "1.2.3.4",
        "Port": 80,
        "Tags": ["a", "b"],
        "Meta": {"k": "v"},
        "TaggedAddresses": {
            "lan": {"Address": "10.0.0.1", "Port": 81},
            "wan": {"Address": "::1", "Port": 82},
            "lan_ipv4": {"Address": "10.0.0.1", "Port": 0},
        },
    }


def test_register_from_files_sends_each_service(agent, cli, tmp_path):
    agent.say("PUT", REGISTER)
    hcl = tmp_path / "a.hcl"
    hcl.write_text('service {\n name = "web"\n port = 80\n check { ttl = "1m" }\n}\n')
    both = tmp_path / "b.json"
    both.write_text('{"services": [{"name": "x"}, {"name": "y", "id": "y1"}]}')

    result = cli("services", "register", str(hcl), str(both))

    assert result.out == ("Registered service: web\nRegistered service: x\nRegistered service: y\n")
    sent = json.loads(agent.requests[0].body)
    assert sent == {"name": "web", "port": 80, "check": {"ttl": "1m"}}


def test_deregister_by_id_or_by_definition(agent, cli):
    agent.say("PUT", "/v1/agent/service/deregister/y1")
    agent.say("PUT", "/v1/agent/service/deregister/x")
    definitions = b'{"services": [{"name": "x"}, {"Name": "y", "ID": "y1"}]}'

    assert cli("services", "deregister", "-id=y1").out == "Deregistered service: y1\n"
    assert cli("services", "deregister", "-", stdin=definitions).out == (
        "Deregistered service: x\nDeregistered service: y1\n"
    )


def test_bad_calls_are_refused_before_anything_is_sent(agent, cli, tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"name": "x"}')

    assert cli("services", "register").code == 1
    assert cli("services", "deregister").code == 1
    assert cli("services", "register", "-name=x", str(file)).code == 1
    assert cli("services", "register", "-name=x", "-port=70000").code == 1
    assert cli("services", "register", "-name=x", "-tagged-address=lan=h:x").code == 1
    assert cli("services", "register", "-", stdin=b"{}").code == 1
    assert agent.requests == []


def test_refusal_names_the_service(agent, cli):
    agent.say("PUT", REGISTER, b"Invalid service address", status=400)

    assert cli("services", "register", "-name=web").err == (
        'Error registering service "web": Unexpected response code: 400 (Invalid service address)\n'
    )
