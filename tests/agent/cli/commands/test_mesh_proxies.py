"""Claims about mesh proxies."""

import json

import pytest

PATH = "/v1/internal/mesh/proxies"


def proxy(**fields):
    usual = {
        "ID": "web-sidecar-proxy",
        "Service": "web",
        "Kind": "connect-proxy",
        "Index": 17,
        "Version": 5,
        "Workers": 1,
        "PendingS": 0.0,
        "AgeS": 7300.0,
        "Faults": {},
        "Listeners": [
            {
                "Name": "public_listener",
                "Direction": "inbound",
                "Address": "0.0.0.0:21000",
                "Protocol": "tcp",
            }
        ],
        "Instances": [
            {
                "Cluster": "db.default.dc1",
                "Target": "db.default.dc1",
                "Endpoint": "n1/db",
                "Address": "10.0.0.1:5432",
                "Weight": 1,
                "Ejected": True,
                "Active": 2,
                "LatencyMs": 1.5,
            },
            {
                "Cluster": "db.default.dc1",
                "Target": "db.default.dc1",
                "Endpoint": "n2/db",
                "Address": "10.0.0.2:5432",
                "Weight": 1,
                "Ejected": False,
                "Active": 0,
                "LatencyMs": 0.0,
            },
        ],
        "HandshakeFailures": {"expired": 3},
    }
    return usual | fields


SHOWN = """\
ID                 SERVICE  KIND           LISTENERS  INSTANCES        CONFIG            STATE
web-sidecar-proxy  web      connect-proxy  1          2 (1 set aside)  index 17, 2h old  serving
"""
DETAILS = """
web-sidecar-proxy:
public_listener  inbound                 0.0.0.0:21000  listening
db.default.dc1   n1/db at 10.0.0.1:5432  2 active       set aside
db.default.dc1   n2/db at 10.0.0.2:5432  0 active       not used yet
handshakes refused: 3 (expired)
"""


def test_proxies_are_a_table(agent, cli):
    agent.say("GET", PATH, [proxy()])

    result = cli("mesh", "proxies")

    assert (0, SHOWN) == (result.code, result.out)


def test_details_are_listeners_instances_and_refused_handshakes(agent, cli):
    agent.say("GET", PATH, [proxy()])

    assert SHOWN + DETAILS == cli("mesh", "proxies", "-detailed").out


@pytest.mark.parametrize(
    ("fields", "state", "code"),
    [
        ({"Version": 0}, "elsewhere", 0),
        ({"Workers": 0}, "no worker", 1),
        ({"PendingS": 90.0}, "waits for 90s", 1),
        ({"PendingS": 0.5}, "serving", 0),
        ({"Faults": {"public_listener": "address in use"}}, "1 faults", 1),
    ],
)
def test_state_and_exit_tell_how_a_proxy_is_served(agent, cli, fields, state, code):
    agent.say("GET", PATH, [proxy(**fields)])

    result = cli("mesh", "proxies")

    assert code == result.code
    assert result.out.splitlines()[-1].endswith(f"  {state}")


def test_json_is_what_the_agent_says(agent, cli):
    agent.say("GET", PATH, [proxy()])

    assert [proxy()] == json.loads(cli("mesh", "proxies", "-format=json").out)
