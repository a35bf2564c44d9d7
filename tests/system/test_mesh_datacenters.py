"""Services of two datacenters speak with each other: directly, and through mesh gateways."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, free_ports
from tests.system.mesh_site import (
    App,
    Line,
    Sidecar,
    app,
    echo,
    intend,
    register,
    speak,
    write_entry,
)
from tests.system.mesh_traffic import explain, wait_answer, wait_done
from tests.system.wan import joined

pytestmark = pytest.mark.system

Pair = tuple[AgentProcess, AgentProcess]
# Certificates of both chain to the roots of the primary one.
PRIMARY = '-hcl=primary_datacenter = "dc1"'


@pytest.fixture(scope="module")
def datacenters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A server each of dc1, the primary, and dc2."""
    starter = AgentStarter(tmp_path_factory.mktemp("datacenters"))
    try:
        yield joined(starter, PRIMARY)
    finally:
        starter.end_all()


def speak_everywhere(datacenters: Pair, protocol: str, *services: str) -> None:
    """Have services speak a protocol in both datacenters: each has its own entries."""
    for server in datacenters:
        speak(server, protocol, *services)


def mesh_gateway(agent: AgentProcess) -> Sidecar:
    """Register the gateway of a datacenter."""
    lan_port, wan_port = free_ports(2)
    definition = {
        "Kind": "mesh-gateway",
        "Name": "mesh-gateway",
        "Port": lan_port,
        "Address": LOOPBACK,
        "TaggedAddresses": {
            "lan": {"Address": LOOPBACK, "Port": lan_port},
            "wan": {"Address": LOOPBACK, "Port": wan_port},
        },
        "Proxy": {"Config": {"envoy_gateway_bind_tagged_addresses": True}},
    }
    agent.put_ok("/v1/agent/service/register", definition)
    return Sidecar(agent, "mesh-gateway", "mesh-gateway", lan_port, {})


def far_upstream(service: str, mode: str = "") -> Mapping[str, Any]:
    """An upstream in dc2."""
    upstream: dict[str, Any] = {"DestinationName": service, "Datacenter": "dc2"}
    return {**upstream, "MeshGateway": {"Mode": mode}} if mode else upstream


@contextmanager
def far_app(datacenters: Pair, service: str) -> Iterator[App]:
    """An instance in dc2 of a service over HTTP."""
    speak_everywhere(datacenters, "http", service)
    with app(service) as back:
        register(datacenters[1], service, back.port)
        yield back


def dialled(front: Sidecar, upstream: str) -> set[str]:
    """The addresses that explain says a request goes to."""
    answer = explain(front.agent, front.service, upstream).answer
    return {
        instance["Address"]
        for share in answer["Shares"]
        for group in share["Groups"]
        for instance in group["Instances"]
        if instance["Usable"]
    }


def test_a_service_of_the_other_datacenter_is_reached_directly(datacenters: Pair) -> None:
    with far_app(datacenters, "near-far"):
        front = register(datacenters[0], "direct-front", 1, upstreams=[far_upstream("near-far")])

        front.wait_reach("near-far")

        assert "near-far" == front.call("near-far", "/x").served_by
        assert {"near-far"} == explain(front.agent, "direct-front", "near-far").instances
        intend(datacenters[1], "direct-front", "near-far", "deny")
        wait_answer(front, "near-far", lambda answer: answer.status == 403)


def test_failover_goes_to_the_other_datacenter_and_back(datacenters: Pair) -> None:
    near, far = datacenters
    speak_everywhere(datacenters, "http", "geo")
    write_entry(near, "service-resolver", "geo", Failover={"*": {"Datacenters": ["dc2"]}})
    check = {"Name": "geo", "CheckID": "geo", "TTL": "600s", "Status": "passing"}
    with app("geo-1") as here, app("geo-2") as there:
        register(near, "geo", here.port, instance="geo-1", checks=[check])
        register(far, "geo", there.port, instance="geo-2")
        front = register(near, "geo-front", 1, upstreams=["geo"])
        wait_answer(front, "geo", lambda answer: answer.served_by == "geo-1")

        near.put_ok("/v1/agent/check/fail/geo")
        wait_answer(front, "geo", lambda answer: answer.served_by == "geo-2")

        assert {"geo-2"} == explain(near, "geo-front", "geo").instances
        near.put_ok("/v1/agent/check/pass/geo")
        wait_answer(front, "geo", lambda answer: answer.served_by == "geo-1")
        assert {"geo-1"} == explain(near, "geo-front", "geo").instances


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_mesh_gateways_pass_on_what_they_cannot_read(datacenters: Pair, mode: str) -> None:
    service = f"{mode}-far"
    gates = [mesh_gateway(agent) for agent in datacenters]
    try:
        with far_app(datacenters, service) as back:
            front = register(
                datacenters[0], f"{mode}-front", 1, upstreams=[far_upstream(service, mode)]
            )

            front.wait_reach(service)

            assert service == front.call(service, "/y").served_by
            assert back.requests["GET", "/y"]
            assert {"mesh-gateway"} == explain(front.agent, f"{mode}-front", service).instances
            intend(datacenters[1], f"{mode}-front", service, "deny")
            wait_answer(front, service, lambda answer: answer.status == 403)
            intend(datacenters[1], f"{mode}-front", service, "allow")
            wait_answer(front, service, lambda answer: answer.status == 200)
            gates[0 if mode == "local" else 1].deregister()
            wait_answer(front, service, lambda answer: answer.status == 503)
    finally:
        for gate in gates:
            gate.agent.put(f"/v1/agent/service/deregister/{gate.id}")


@pytest.mark.parametrize("kind", ["service-defaults", "proxy-defaults"])
def test_entries_say_that_gateways_are_used(datacenters: Pair, kind: str) -> None:
    near, service, front_name = datacenters[0], f"{kind}-far", f"{kind}-front"
    gates = [mesh_gateway(agent) for agent in datacenters]
    entry = (kind, "global" if kind == "proxy-defaults" else front_name)
    try:
        with far_app(datacenters, service):
            write_entry(near, *entry, MeshGateway={"Mode": "remote"})
            front = register(near, front_name, 1, upstreams=[far_upstream(service)])

            front.wait_reach(service)

            assert {"mesh-gateway"} == explain(near, front_name, service).instances
            wan = gates[1].agent.get("/v1/agent/service/mesh-gateway").json["TaggedAddresses"]
            assert {f"{LOOPBACK}:{wan['wan']['Port']}"} == dialled(front, service)
    finally:
        near.delete(f"/v1/config/{entry[0]}/{entry[1]}")
        for gate in gates:
            gate.deregister()


def test_failover_goes_through_gateways(datacenters: Pair) -> None:
    near, far = datacenters
    gates = [mesh_gateway(agent) for agent in datacenters]
    speak_everywhere(datacenters, "http", "geo-gate")
    for server in datacenters:
        mode = {"Protocol": "http", "MeshGateway": {"Mode": "local"}}
        write_entry(server, "service-defaults", "geo-gate", **mode)
    write_entry(near, "service-resolver", "geo-gate", Failover={"*": {"Datacenters": ["dc2"]}})
    try:
        with app("geo-far") as there:
            register(far, "geo-gate", there.port)
            front = register(near, "geo-gate-front", 1, upstreams=["geo-gate"])

            wait_answer(front, "geo-gate", lambda answer: answer.served_by == "geo-far")

            assert {"mesh-gateway"} == explain(near, "geo-gate-front", "geo-gate").instances
    finally:
        for gate in gates:
            gate.deregister()


def test_bytes_go_through_two_mesh_gateways(datacenters: Pair) -> None:
    gates = [mesh_gateway(agent) for agent in datacenters]
    try:
        with echo() as port:
            register(datacenters[1], "bytes-far", port)
            upstream = far_upstream("bytes-far", "local")
            front = register(datacenters[0], "bytes-front", 1, upstreams=[upstream])

            def exchange() -> None:
                with Line(front.upstreams["bytes-far"]) as line:
                    assert line.ask(b"over there" * 10_000) == b"over there" * 10_000

            wait_done(exchange)
    finally:
        for gate in gates:
            gate.deregister()
