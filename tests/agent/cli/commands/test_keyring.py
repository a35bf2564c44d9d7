"""Claims about keygen and keyring."""

import base64

import pytest


def test_keygen_prints_base64_of_32_bytes(cli):
    first, second = cli("keygen").out, cli("keygen").out

    assert len(base64.b64decode(first)) == 32
    assert first != second


def test_list_names_each_pool(agent, cli):
    pools = [
        {"WAN": True, "Datacenter": "dc1", "Segment": "", "Keys": {"k1": 1}, "NumNodes": 1},
        {"WAN": False, "Datacenter": "dc1", "Segment": "", "Keys": {"k1": 2}, "NumNodes": 3},
    ]
    agent.say("GET", "/v1/operator/keyring", pools)

    assert cli("keyring", "-list").out == (
        "==> Gathering installed encryption keys...\n\nWAN:\n  k1 [1/1]\n\ndc1 (LAN):\n  k1 [2/3]\n"
    )


@pytest.mark.parametrize(
    ("flag", "method"), [("install", "POST"), ("use", "PUT"), ("remove", "DELETE")]
)
def test_changes_use_the_method_of_the_action(agent, cli, flag, method):
    agent.say(method, "/v1/operator/keyring")

    result = cli("keyring", f"-{flag}=a+b/==", "-relay-factor=2")

    assert result.code == 0
    assert result.out.startswith("==> ")
    assert agent.requests[0].body == b'{"Key": "a+b/=="}'
    assert agent.requests[0].query == {"relay-factor": "2"}


def test_exactly_one_action_is_demanded(agent, cli):
    assert cli("keyring").code == 1
    assert cli("keyring", "-list", "-use=x").code == 1
    assert cli("keyring", "-list", "-relay-factor=9").code == 1
