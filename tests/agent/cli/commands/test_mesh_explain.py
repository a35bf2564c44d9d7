"""Claims about mesh explain."""

import json

PATH = "/v1/internal/mesh/explain"
ANSWER = {
    "Source": "front",
    "Destination": "back",
    "Listener": "back:127.0.0.1:9191",
    "Declared": True,
    "Protocol": "http",
    "Route": {
        "Name": "router:back[0]",
        "PathSent": "/v1",
        "Timeout": "15s",
        "TimeoutFrom": "default",
        "Retries": {"On": ["5xx"], "StatusCodes": [429], "Count": 2},
        "Mirror": "10 % to shadow.default.dc1",
    },
    "Certificate": {"URI": "spiffe://x/front", "Local": True, "Serial": "02", "ValidBefore": "z"},
    "Shares": [
        {
            "Percent": 100.0,
            "Cluster": "back.default.dc1",
            "Node": "resolver:back.default.dc1",
            "Service": "back",
            "Balance": "round_robin",
            "ConnectTimeout": "5s",
            "Groups": [
                {
                    "Target": "back.default.dc1",
                    "InUse": True,
                    "Instances": [
                        {"ID": "n1/b1", "Address": "10.0.0.1:1", "Usable": True, "Weight": 1},
                        {
                            "ID": "n2/b1",
                            "Address": "10.0.0.2:1",
                            "Usable": False,
                            "Why": "check c is critical",
                        },
                    ],
                }
            ],
            "Verdict": {"Allowed": True, "Reason": "Matched intention: x", "Permission": 2},
        }
    ],
    "Notes": ["chain of x: unknown"],
}
SHOWN = """\
Request:       front => back
Listener:      back:127.0.0.1:9191
Protocol:      http
Route:         router:back[0]
Path:          /v1
Timeout:       15s (default)
Retries:       2 on 5xx, 429
Mirror:        10 % to shadow.default.dc1
Certificate:   spiffe://x/front
               serial 02, until z

100 % to back.default.dc1 (resolver:back.default.dc1)
  Intention:         allow: Matched intention: x, permission 2
  Balance:           round_robin
  Connect timeout:   5s
  back.default.dc1 (in use)
    n1/b1  10.0.0.1:1  weight 1
    n2/b1  10.0.0.2:1  not used: check c is critical
note: chain of x: unknown
"""


def test_a_request_is_shown_step_by_step(agent, cli):
    agent.say("GET", PATH, ANSWER)

    result = cli("mesh", "explain", "-header=a:b", "front", "back", "GET", "/x")

    assert (0, SHOWN) == (result.code, result.out)
    target = agent.requests[0].raw_path
    assert "source=front&destination=back&method=GET&path=%2Fx&header=a%3Ab" in target


def test_the_answer_can_be_had_as_json(agent, cli):
    agent.say("GET", PATH, ANSWER)

    result = cli("mesh", "explain", "-format=json", "front", "back")

    assert ANSWER == json.loads(result.out)


def test_a_denied_request_ends_with_one(agent, cli):
    (share,) = ANSWER["Shares"]
    denied = {**share, "Verdict": {"Allowed": False, "Reason": "no"}}
    agent.say("GET", PATH, {**ANSWER, "Shares": [denied]})

    result = cli("mesh", "explain", "front", "back")

    assert 1 == result.code
    assert "Intention:         deny: no" in result.out


def test_what_no_route_takes_goes_nowhere(agent, cli):
    agent.say(
        "GET",
        PATH,
        {"Source": "a", "Destination": "b", "Declared": False, "Protocol": "", "Shares": None},
    )

    result = cli("mesh", "explain", "a", "b")

    assert 1 == result.code
    assert "a has no upstream b; as if it had" in result.out
    assert "Route:      none" in result.out


def test_two_names_are_needed_and_a_known_format(cli):
    assert 1 == cli("mesh", "explain", "front").code
    assert (
        "-format must be one of pretty, json" in cli("mesh", "explain", "-format=x", "a", "b").err
    )
