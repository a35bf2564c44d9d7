"""When two copies of a row say the same."""

import msgspec

from agent.local.difference import same_check, same_node, same_service
from catalog.rows.check import HealthCheck
from catalog.rows.service import NodeService
from tests.agent.local.fakes import NODE


def test_indexes_and_absent_collections_make_no_difference():
    ours = NodeService(id="a", service="a")

    assert same_service(ours, NodeService(id="a", service="a", tags=(), meta={}, modify_index=3))
    assert not same_service(ours, NodeService(id="a", service="a", port=1))
    assert not same_service(ours, NodeService(id="a", service="a", tags=("x",)))


def test_a_node_differs_by_identity_address_or_metadata():
    assert same_node(NODE, msgspec.structs.replace(NODE, datacenter="dc1", modify_index=4))
    assert not same_node(NODE, msgspec.structs.replace(NODE, id="22"))
    assert not same_node(NODE, msgspec.structs.replace(NODE, address="10.0.0.2"))
    assert not same_node(NODE, msgspec.structs.replace(NODE, meta=None))


def test_a_deferred_output_and_what_the_server_fills_make_no_difference():
    ours = HealthCheck(node="n1", check_id="c", output="new", service_id="a", service_name="a")
    theirs = HealthCheck(
        node="n1", check_id="c", output="old", service_id="a", service_name="b", modify_index=2
    )

    assert same_check(ours, theirs, ignore_output=True)
    assert not same_check(ours, theirs, ignore_output=False)
    assert not same_check(
        ours, msgspec.structs.replace(theirs, status="passing"), ignore_output=True
    )
