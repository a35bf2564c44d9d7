"""What traffic between real sidecars notices of certificates that change: nothing, or all of it.

Source: hashicorp/consul#10871, #16779, #5239, #9443.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until
from tests.system.mesh_site import App, Line, Sidecar, app, calling, echo, register, speak

pytestmark = pytest.mark.system

LEAF_LIFE_S = 6
REVOKED_WITHIN_S = 1.0


class Site:
    """``front`` calls ``back`` over HTTP and ``echo`` over TCP, all on one agent."""

    def __init__(self, agent: AgentProcess, back: App, echo_port: int) -> None:
        self.agent = agent
        speak(agent, "http", "back")
        register(agent, "back", back.port)
        register(agent, "echo", echo_port)
        self.front: Sidecar = register(agent, "front", 1, upstreams=["back", "echo"])
        self.front.wait_reach("back")
        wait_until(self.echoes, timeout_s=30.0, what="front reaches echo")

    def line(self) -> Line:
        return Line(self.front.upstreams["echo"])

    def echoes(self) -> bool:
        with suppress(OSError), self.line() as line:
            return line.ask(b"x") == b"x"
        return False

    def serial(self, service: str) -> str:
        serial: str = self.agent.get(f"/v1/agent/connect/ca/leaf/{service}").json["SerialNumber"]
        return serial

    def wait_renewals(self, service: str, count: int) -> None:
        for _ in range(count):
            before = self.serial(service)
            wait_until(
                lambda before=before: self.serial(service) != before,
                timeout_s=20.0,
                what="a renewal",
            )


@pytest.fixture
def site(start_agent: AgentStarter) -> Iterator[Site]:
    with app("back") as back, echo() as echo_port:
        yield Site(start_agent(), back, echo_port)


@pytest.mark.timeout(120)
def test_no_call_fails_while_leaves_and_roots_change(site: Site) -> None:
    config = {"LeafCertTTL": f"{LEAF_LIFE_S}s", "SkipValidate": True}
    body = {"Provider": "consul", "Config": config}
    site.agent.put_ok("/v1/connect/ca/configuration", body)
    site.agent.put_ok("/v1/connect/ca/rotate")
    site.wait_renewals("front", 1)

    with site.line() as line, calling(site.front.upstreams["back"], keep_alive=False) as tally:
        assert line.ask(b"first") == b"first"
        site.wait_renewals("front", 2)
        site.agent.put_ok("/v1/connect/ca/rotate")
        site.wait_renewals("back", 2)
        assert line.ask(b"last") == b"last"

    assert tally.failures == []
    assert tally.outcomes["200"] > 100
    roots = site.agent.get("/v1/connect/ca/roots").json["Roots"]
    assert [root["Active"] for root in roots].count(True) == 1
    assert len(roots) == 3


def test_a_revoked_leaf_is_refused_on_open_connections_and_replaced(site: Site) -> None:
    serial = site.serial("front")

    with site.line() as line:
        assert line.ask(b"before") == b"before"
        began = time.monotonic()
        site.agent.put_ok(f"/v1/connect/ca/revoke?serial={serial}&reason=stolen")
        line.wait_end(10.0)
        took_s = time.monotonic() - began

    assert took_s < REVOKED_WITHIN_S
    assert site.serial("front") != serial
    wait_until(site.echoes, timeout_s=5.0, what="echo again, with another leaf")
    site.front.wait_reach("back")
