"""What callers notice while instances, agents and workers come and go: nothing, or a clear answer.

Source: hashicorp/consul#5277, #8304, #10763; hashicorp/consul-helm#981; istio/istio#33072.
"""

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, free_ports, wait_until
from tests.system.cluster import Cluster
from tests.system.mesh_load import flawless, later
from tests.system.mesh_site import (
    Answer,
    App,
    Sidecar,
    app,
    call,
    register,
    speak,
)
from tests.system.mesh_traffic import spread

pytestmark = pytest.mark.system

WITHIN_S = 1.0
STILL_S = 0.3  # for so long nothing came: nothing comes any more


@dataclass
class Instance:
    """A backend with its sidecar; they come and go together."""

    app: App
    sidecar: Sidecar


class Fleet:
    """Instances of ``service`` on some agents, and its caller on another one."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        self.cluster = cluster
        self.service = service
        self._open = ExitStack()
        speak(cluster.server, "http", service)
        self.front = register(cluster.server, f"{service}-front", 1, upstreams=[service])

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.front.deregister()
        self._open.close()

    @property
    def port(self) -> int:
        return self.front.upstreams[self.service]

    def add(self, name: str, at: str, **options: Any) -> Instance:
        """One more instance, at an agent by its name."""
        made = self._open.enter_context(app(name))
        agent = self.cluster.clients[at]
        sidecar = register(
            agent, self.service, made.port, instance=name, is_checked=True, **options
        )
        self._open.callback(agent.put, f"/v1/agent/service/deregister/{name}")
        return Instance(made, sidecar)

    def wait_all(self, *instances: Instance) -> None:
        """Return once the caller meets each of them."""
        names = {each.app.name for each in instances}
        wait_until(
            lambda: names == set(spread(self.port, 20)), timeout_s=30.0, what=f"{names} serve"
        )


def is_still(instance: Instance) -> bool:
    """Whether an instance gets no requests."""
    before = instance.app.count
    time.sleep(STILL_S)  # what does not happen cannot be awaited
    return before == instance.app.count


# Instances.


def test_a_rolling_restart_of_three_instances_loses_no_request(mesh_agents: Cluster) -> None:
    with Fleet(mesh_agents, "rolling") as fleet:
        places = ["one", "two", "one"]
        instances = [fleet.add(f"old-{n}", at) for n, at in enumerate(places)]
        fleet.wait_all(*instances)
        with flawless(fleet.port) as load:
            for number, (at, old) in enumerate(zip(places, instances, strict=True)):
                old.sidecar.deregister()
                wait_until(lambda old=old: is_still(old), what=f"{old.app.name} is left alone")  # type: ignore[misc]  # bound at once
                name = f"new-{number}"
                fleet.add(name, at)
                load.wait_served_by(name)

        assert all(is_still(old) for old in instances)


def test_work_in_flight_ends_well_when_its_instance_is_deregistered(mesh_agents: Cluster) -> None:
    with Fleet(mesh_agents, "draining") as fleet:
        only = fleet.add("draining-1", "two")
        fleet.wait_all(only)
        only.app.delay_s = 1.5
        slow = later(lambda: fleet.front.call("draining", "/slow"))
        wait_until(lambda: only.app.requests["GET", "/slow"], what="the slow request has come")
        only.app.delay_s = 0.0

        only.sidecar.deregister()

        refused = wait_until(lambda: unavailable(fleet), timeout_s=WITHIN_S, pause_s=0.01)
        assert b"draining" in refused.body or refused.body
        assert 200 == slow().status
        assert 503 == fleet.front.call("draining").status
        began = time.monotonic()
        fleet.add("draining-2", "two")
        fleet.front.wait_reach("draining")
        assert time.monotonic() - began < 2 * WITHIN_S


def unavailable(fleet: Fleet) -> Answer | None:
    """The refusal of a request that nobody can serve; None if somebody served it."""
    answer = fleet.front.call(fleet.service)
    return answer if answer.status == 503 else None


@pytest.mark.parametrize("how", ["maintenance", "ttl"])
def test_an_instance_that_is_not_well_gets_nothing_within_a_second(
    mesh_agents: Cluster, how: str
) -> None:
    with Fleet(mesh_agents, f"unwell-{how}") as fleet:
        check = {"CheckID": f"ttl-{how}", "TTL": "600s", "Status": "passing"}
        bad = fleet.add(f"bad-{how}", "one", checks=[check])
        good = fleet.add(f"good-{how}", "two")
        agent = bad.sidecar.agent
        maintenance = f"/v1/agent/service/maintenance/{bad.sidecar.id}?enable="
        off, on = {
            "maintenance": (f"{maintenance}true", f"{maintenance}false"),
            "ttl": (f"/v1/agent/check/fail/ttl-{how}", f"/v1/agent/check/pass/ttl-{how}"),
        }[how]
        fleet.wait_all(bad, good)

        with flawless(fleet.port):
            agent.put_ok(off)
            time.sleep(WITHIN_S)  # so long it may take
            assert is_still(bad)
            agent.put_ok(on)
            fleet.wait_all(bad, good)


def test_two_instances_on_two_agents_share_the_work(mesh_agents: Cluster) -> None:
    with Fleet(mesh_agents, "shared") as fleet:
        both = [fleet.add(f"shared-{at}", at) for at in ("one", "two")]
        fleet.wait_all(*both)

        served = spread(fleet.port, 400)

        assert 400 == served.total()
        assert all(served[each.app.name] > 100 for each in both), served


# Listeners.


def test_a_port_that_is_taken_is_told_of_and_served_once_it_is_free(mesh_agents: Cluster) -> None:
    agent = mesh_agents.clients["one"]
    (port,) = free_ports(1)
    with Fleet(mesh_agents, "taken") as fleet:
        with socket.create_server((LOOPBACK, port)):
            only = fleet.add("taken-1", "one", public_port=port)
            wait_until(lambda: faults(agent, only.sidecar), what="a fault is shown")
            ((_, why),) = faults(agent, only.sidecar).items()
            assert "in use" in why.lower()
        fleet.front.wait_reach("taken")
        wait_until(lambda: not faults(agent, only.sidecar), what="no fault is shown")


def faults(agent: AgentProcess, sidecar: Sidecar) -> dict[str, str]:
    """What an agent says is wrong with a proxy, by listener."""
    rows = agent.get("/v1/internal/mesh/proxies").json
    found = (row["Faults"] for row in rows if row["ID"] == sidecar.proxy_id)
    return next(found, {})


def test_twenty_sidecars_of_one_agent_all_work(mesh_agents: Cluster) -> None:
    agent = mesh_agents.clients["two"]
    with app("many") as back:
        names = [f"many-{number}" for number in range(20)]
        speak(mesh_agents.server, "http", *names)
        ring = zip(names, [*names[1:], names[0]], strict=True)
        sidecars = [
            register(agent, name, back.port, upstreams=[after], is_checked=True)
            for name, after in ring
        ]
        for sidecar in sidecars:
            sidecar.wait_reach(*sidecar.upstreams)
        for sidecar in sidecars:
            sidecar.deregister()
        for sidecar in sidecars:
            wait_until(lambda sidecar=sidecar: is_refused(sidecar), what="its ports are free")  # type: ignore[misc]  # bound at once


def is_refused(sidecar: Sidecar) -> bool:
    """Whether nobody listens at the port of its only upstream."""
    try:
        call(*sidecar.upstreams.values())
    except ConnectionRefusedError:
        return True
    return False
