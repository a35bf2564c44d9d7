"""Gateways on real agents: into the mesh, out of it, and from one datacenter to the other."""

import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.agent_process import LOOPBACK, AgentProcess, AgentStarter, free_ports, wait_until
from tests.system.mesh_site import REACH_WAIT_S, App, app, intend, register, write_entry
from tests.system.wan import datacenter, wan_address

pytestmark = pytest.mark.system


@pytest.fixture
def back() -> Iterator[App]:
    """An HTTP application."""
    with app("back") as made:
        yield made


def gateway(agent: AgentProcess, kind: str, name: str, **more: Any) -> int:
    """Register a gateway; its port."""
    (port,) = free_ports(1)
    wide = {"wan": {"Address": LOOPBACK, "Port": port}}
    agent.put_ok(
        "/v1/agent/service/register",
        {
            "Kind": kind,
            "Name": name,
            "Address": LOOPBACK,
            "Port": port,
            "TaggedAddresses": wide,
            **more,
        },
    )
    return port


def asked(port: int, host: str, *, tls: bool) -> str:
    """What a client outside the mesh is answered; why not, if it is not."""
    scheme = "https" if tls else "http"
    request = urllib.request.Request(f"{scheme}://{LOOPBACK}:{port}/x", headers={"Host": host})
    context = ssl._create_unverified_context() if tls else None
    try:
        with urllib.request.urlopen(request, timeout=5.0, context=context) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return str(error)


def wait_asked(port: int, host: str, expected: str, *, tls: bool = False) -> None:
    wait_until(
        lambda: asked(port, host, tls=tls) == expected,
        timeout_s=REACH_WAIT_S,
        what=f"{host} is answered {expected}",
    )


def test_a_service_outside_the_mesh_is_reached_by_a_terminating_gateway(
    start_agent: AgentStarter, back: App
) -> None:
    agent = start_agent()
    write_entry(agent, "terminating-gateway", "out", Services=[{"Name": "legacy"}])
    agent.put_ok(
        "/v1/agent/service/register", {"Name": "legacy", "Address": LOOPBACK, "Port": back.port}
    )
    gateway(agent, "terminating-gateway", "out")
    front = register(agent, "front", 1, upstreams=["legacy"])

    front.wait_reach("legacy")

    intend(agent, "front", "legacy", "deny")
    wait_until(lambda: not front.reaches("legacy"), what="the gateway asks intentions")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_hosts_of_an_ingress_gateway_lead_to_services(
    start_agent: AgentStarter, back: App, tls: bool
) -> None:
    agent = start_agent()
    (port,) = free_ports(1)
    write_entry(agent, "service-defaults", "back", Protocol="http")
    listener = {
        "Port": port,
        "Protocol": "http",
        "Services": [{"Name": "back", "Hosts": ["back.example.com"]}],
    }
    write_entry(agent, "ingress-gateway", "in", TLS={"Enabled": tls}, Listeners=[listener])
    register(agent, "back", back.port)
    gateway(agent, "ingress-gateway", "in")

    wait_asked(port, "back.example.com", "200", tls=tls)

    assert "404" == asked(port, "other.example.com", tls=tls)


def test_routes_of_an_api_gateway_lead_to_services(start_agent: AgentStarter, back: App) -> None:
    agent = start_agent()
    (port,) = free_ports(1)
    write_entry(agent, "service-defaults", "back", Protocol="http")
    listener = {"Name": "web", "Port": port, "Protocol": "http"}
    write_entry(agent, "api-gateway", "door", Listeners=[listener])
    write_entry(
        agent,
        "http-route",
        "way",
        Parents=[{"Kind": "api-gateway", "Name": "door"}],
        Hostnames=["back.example.com"],
        Rules=[{"Services": [{"Name": "back"}]}],
    )
    register(agent, "back", back.port)
    gateway(agent, "api-gateway", "door")

    wait_asked(port, "back.example.com", "200")

    assert "404" == asked(port, "other.example.com", tls=False)


@pytest.mark.parametrize("mode", ["none", "local", "remote"])
def test_a_service_of_another_datacenter_is_reached_in_each_mode(
    start_agent: AgentStarter, back: App, mode: str
) -> None:
    primary = '-hcl=primary_datacenter = "dc1"'
    near, far = (datacenter(start_agent, number, primary) for number in (1, 2))
    far.put_ok(f"/v1/agent/join/{wan_address(near)}?wan=1")
    register(far, "back", back.port)
    for agent in (near, far):
        gateway(agent, "mesh-gateway", "gate")
    upstream = {"DestinationName": "back", "Datacenter": "dc2", "MeshGateway": {"Mode": mode}}

    front = register(near, "front", 1, upstreams=[upstream])

    front.wait_reach("back")
    (share,) = near.get("/v1/internal/mesh/explain?source=front&destination=back").json["Shares"]
    (used,) = (group for group in share["Groups"] if group["InUse"])
    (dialled,) = (each["ID"].partition("/")[2] for each in used["Instances"] if each["Usable"])
    assert ("back-sidecar-proxy" if mode == "none" else "gate") == dialled
