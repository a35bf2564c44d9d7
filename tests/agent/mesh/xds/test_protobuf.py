import pytest
from envoy.service.discovery.v3 import discovery_pb2

from agent.mesh.xds.names import IN_ORDER, LISTENER
from agent.mesh.xds.protobuf import BadMessage, Delta, StateOfTheWorld
from agent.mesh.xds.resources import resources_of
from agent.mesh.xds.session import Give
from tests.agent.mesh.xds.xds_world import CONFIG


@pytest.mark.parametrize("type_url", IN_ORDER)
def test_every_resource_is_one_of_envoys(type_url: str) -> None:
    resources = resources_of(CONFIG)[type_url]
    versions = dict.fromkeys(resources, "1")
    give = Give(type_url=type_url, version="7", nonce="8", resources=resources, versions=versions)

    # Unknown fields and values are errors of the conversion.
    whole = discovery_pb2.DiscoveryResponse.FromString(StateOfTheWorld().written(give))
    parts = discovery_pb2.DeltaDiscoveryResponse.FromString(Delta().written(give))

    assert (type_url, "7", "8") == (whole.type_url, whole.version_info, whole.nonce)
    assert len(resources) == len(whole.resources)
    assert sorted(resources) == sorted(resource.name for resource in parts.resources)


def test_a_request_is_read_with_the_node_that_asks() -> None:
    request = discovery_pb2.DiscoveryRequest(
        type_url=LISTENER, resource_names=["a"], response_nonce="3"
    )
    request.node.id = "web-1"
    request.error_detail.message = "port in use"

    ask, node = StateOfTheWorld().read(request.SerializeToString())

    assert ("web-1", LISTENER, ("a",), "3", "port in use") == (
        node,
        ask.type_url,
        ask.names,
        ask.nonce,
        ask.error,
    )


def test_a_delta_request_is_read() -> None:
    request = discovery_pb2.DeltaDiscoveryRequest(
        type_url=LISTENER,
        resource_names_subscribe=["a"],
        resource_names_unsubscribe=["b"],
        initial_resource_versions={"c": "1"},
    )

    ask, node = Delta().read(request.SerializeToString())

    assert ("", ("a",), ("b",), {"c": "1"}) == (node, ask.names, ask.gone, ask.known)


@pytest.mark.parametrize("form", [StateOfTheWorld(), Delta()])
def test_bytes_that_are_no_request_are_refused(form: StateOfTheWorld | Delta) -> None:
    with pytest.raises(BadMessage):
        form.read(b"\xff\xff")
