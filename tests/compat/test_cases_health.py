"""Trouble that users of health checks met in the field, with the outcome that is right."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.agent_process import AgentProcess, wait_until
from tests.system.site import Answer, Site, fixed, serve_site

pytestmark = pytest.mark.compat

# Consul cuts at 4096 bytes and adds a note; the whole stays close to that.
OUTPUT_CHARACTERS_MAX = 4300


@pytest.fixture(autouse=True)
def no_checks_left(agent: AgentProcess) -> Iterator[None]:
    """A check of the node counts for every service on it, so none outlives its test."""
    yield
    for name in agent.get("/v1/agent/checks").json:
        agent.put_ok(f"/v1/agent/check/deregister/{name}")


def register_check(agent: AgentProcess, name: str, **fields: Any) -> None:
    agent.put_ok("/v1/agent/check/register", {"Name": name, "CheckID": name, **fields})


def check(agent: AgentProcess, name: str) -> dict[str, Any]:
    return agent.get("/v1/agent/checks").json[name]


def probe(site: Site, path: str = "/", **fields: Any) -> dict[str, Any]:
    return {"HTTP": site.url + path, "Interval": "1s", "Timeout": "2s", **fields}


def test_raw_bytes_of_output_become_valid_json(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#83."""
    register_check(agent, "he-bytes", TTL="30s")

    body = b'{"Status":"passing","Output":"bin \xff\xfe \\u0000 end"}'
    agent.put_ok("/v1/agent/check/update/he-bytes", body)

    output = check(agent, "he-bytes")["Output"]
    assert output.startswith("bin \ufffd")
    assert output.endswith("\x00 end")


def test_long_output_is_cut_with_a_note(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1952, #2754."""
    register_check(agent, "he-long", TTL="30s")

    agent.put_ok("/v1/agent/check/update/he-long", {"Status": "passing", "Output": "x" * 6000})

    output = check(agent, "he-long")["Output"]
    assert 4000 < len(output) < OUTPUT_CHARACTERS_MAX
    assert output.strip("x"), "the cut is told"


def test_http_body_of_raw_bytes_keeps_its_head(agent: AgentProcess) -> None:
    """1.9.8 keeps the tail, so the cause is lost. Source: hashicorp/consul#2754."""
    with serve_site(fixed(500, b"\xff\xfe\x00bin\x80" + b"A" * 9000)) as site:
        register_check(agent, "he-binary", **probe(site))
        wait_until(lambda: "AAAA" in check(agent, "he-binary")["Output"], what="a probe")

        output = check(agent, "he-binary")["Output"]

    json.dumps(output).encode()
    assert len(output) < OUTPUT_CHARACTERS_MAX
    assert "bin" in output
    assert "500" in output


def test_changing_output_does_not_wake_watchers(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3647."""
    counter = itertools.count()

    def count(_path: str) -> Answer:
        return 200, {}, str(next(counter)).encode()

    with serve_site(count) as site:
        service = {"Name": "he-counter", "Port": site.port, "Check": probe(site)}
        agent.put_ok("/v1/agent/service/register", service)
        passing = "/v1/health/service/he-counter"
        wait_until(lambda: agent.get(passing + "?passing").json, what="passing")
        index = agent.get(passing).index
        began, seen = time.monotonic(), len(site.paths)
        answer = agent.get(f"{passing}?index={index}&wait=4s")
        probes = len(site.paths) - seen

        assert time.monotonic() - began > 3.9
        assert answer.index == index
        assert probes >= 3
        site.answer = fixed(500, b"down")
        woken = agent.get(f"{passing}?index={index}&wait=10s")

    assert woken.elapsed_s < 5
    assert woken.index > index


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/200", "passing"),
        ("/204", "passing"),
        ("/302", "passing"),
        ("/404", "critical"),
        ("/429", "warning"),
        ("/500", "critical"),
    ],
)
def test_http_status_maps_to_check_status(agent: AgentProcess, path: str, status: str) -> None:
    """Source: hashicorp/consul#2890."""

    def answer(asked: str) -> Answer:
        code = int(asked.strip("/"))
        return code, ({"Location": "/200"} if code == 302 else {}), b""

    name = "he-status-" + path.strip("/")
    with serve_site(answer) as site:
        register_check(agent, name, **probe(site, path))
        wait_until(lambda: check(agent, name)["Output"], what="the first probe")
        wait_until(lambda: check(agent, name)["Status"] == status, what=f"{path} is {status}")


def test_slow_answer_is_critical_and_says_why(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1208."""

    def slow(_path: str) -> Answer:
        time.sleep(1.5)
        return 200, {}, b""

    with serve_site(slow) as site:
        register_check(agent, "he-slow", **(probe(site) | {"Timeout": "300ms"}))
        output = wait_until(lambda: check(agent, "he-slow")["Output"], what="a probe's result")

    assert "deadline" in output.lower() or "timeout" in output.lower()


def test_flapping_below_the_thresholds_changes_nothing(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#1208."""
    turn = itertools.cycle([200, 500])
    thresholds = {"SuccessBeforePassing": 3, "FailuresBeforeCritical": 3}

    with serve_site(lambda _path: (next(turn), {}, b"")) as site:
        register_check(agent, "he-flap", **probe(site, Status="passing", **thresholds))
        statuses = set()
        while len(site.paths) < 7:
            statuses.add(check(agent, "he-flap")["Status"])
            time.sleep(0.02)
        assert statuses == {"passing"}

        site.answer = fixed(500)
        wait_until(lambda: check(agent, "he-flap")["Status"] == "critical", what="three failures")
        site.answer = fixed(200)
        asked = len(site.paths)
        wait_until(lambda: check(agent, "he-flap")["Status"] == "passing", what="three successes")
        assert len(site.paths) - asked >= 3


@pytest.mark.parametrize("interval", [{"Interval": "0s"}, {}, {"Interval": "-1s"}])
def test_bad_interval_is_400(agent: AgentProcess, interval: dict[str, str]) -> None:
    """Source: hashicorp/consul#2890."""
    definition = {"Name": "he-interval", "HTTP": "http://127.0.0.1:1/", **interval}

    answer = agent.put("/v1/agent/check/register", definition)

    assert answer.status == 400
    assert "Interval must be > 0" in answer.text
