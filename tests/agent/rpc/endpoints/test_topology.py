"""A service with those around it, on a whole server."""

import json

import pytest

from agent.rpc.codec import BY_NAME, decode_reply, encode_reply
from agent.rpc.endpoints.topology import ServiceTopologyGet
from agent.rpc.request import Reply
from catalog.shape import to_json
from tests.agent.harness import House, within


async def register(house: House, name: str, *upstreams: str) -> None:
    proxy = {
        "Kind": "connect-proxy",
        "Port": 21000,
        "Service": f"{name}-sidecar-proxy",
        "Proxy": {
            "DestinationServiceName": name,
            "Upstreams": [{"DestinationName": each, "LocalBindPort": 1} for each in upstreams],
        },
    }
    check = {"Name": f"{name} is well", "ServiceID": name, "Status": "passing"}
    for service in ({"Service": name}, proxy):
        body = {"Node": "n1", "Address": "a", "Service": service}
        if "Kind" not in service:
            body["Check"] = check
        answer = await house.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())
        assert 200 == answer.status, answer.body


@pytest.fixture
async def mesh(house: House) -> House:
    await register(house, "front", "back")
    await register(house, "back")
    return house


async def topology(house: House, name: str) -> Reply:
    return await within(house.agent.router.call(ServiceTopologyGet(service=name)))


async def test_neighbours_are_summed_up_with_their_checks(mesh: House) -> None:
    shown = to_json((await topology(mesh, "back")).value)

    assert ("tcp", [], False) == (shown["Protocol"], shown["Upstreams"], shown["FilteredByACLs"])
    (front,) = shown["Downstreams"]
    assert {
        "Name": "front",
        "Datacenter": "dc1",
        "Tags": None,
        "Nodes": ["n1"],
        "ExternalSources": None,
        "InstanceCount": 1,
        "ChecksPassing": 1,
        "ChecksWarning": 0,
        "ChecksCritical": 0,
        "GatewayConfig": {},
        "ConnectedWithProxy": True,
        "ConnectedWithGateway": False,
        "Source": "registration",
        "Intention": {
            "DefaultAllow": True,
            "Allowed": True,
            "HasPermissions": False,
            "ExternalSource": "",
            "HasExact": False,
        },
    } == front


async def test_intentions_decide_in_the_direction_of_the_call(mesh: House) -> None:
    entry = {"Kind": "service-intentions", "Name": "back"}
    sources = [{"Name": "front", "Action": "deny"}]
    await mesh.ask("PUT", "/v1/config", json.dumps({**entry, "Sources": sources}).encode())

    (upstream,) = (await topology(mesh, "front")).value.upstreams
    (downstream,) = (await topology(mesh, "back")).value.downstreams

    assert ("back", "front") == (upstream.name, downstream.name)
    for each in (upstream, downstream):
        assert (False, True) == (each.intention.allowed, each.intention.has_exact)


async def test_proxies_are_not_neighbours(mesh: House) -> None:
    shown = (await topology(mesh, "front")).value

    assert ["back"] == [each.name for each in shown.upstreams]


async def test_it_is_the_same_to_an_agent_that_asks_over_the_network(mesh: House) -> None:
    reply = await topology(mesh, "back")

    carried = decode_reply(BY_NAME["Internal.ServiceTopology"], encode_reply(reply))

    assert reply.value == carried.value
