import pytest

from catalog.chain.compiled import ChainTarget
from catalog.chain.endpoints import endpoints_of
from catalog.filters import FilterError
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.node import Node
from catalog.rows.service import NodeService


def instance(name, status, version):
    return CheckServiceNode(
        node=Node(node=name),
        service=NodeService(service="web", meta={"version": version}),
        checks=(HealthCheck(node=name, check_id="c", status=status),),
    )


NODES = (
    instance("a", "passing", "v1"),
    instance("b", "warning", "v1"),
    instance("c", "critical", "v1"),
    instance("d", "passing", "v2"),
)


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        (Subset(), "abd"),
        (Subset(only_passing=True), "ad"),
        (Subset(filter="Service.Meta.version == v1"), "ab"),
        (Subset(filter="Service.Meta.version == v1", only_passing=True), "a"),
    ],
)
def test_subset_takes_its_healthy_instances(subset, expected):
    target = ChainTarget(id="web.default.dc1", service="web", datacenter="dc1", subset=subset)

    assert expected == "".join(found.node.node for found in endpoints_of(target, NODES))


def test_filter_that_cannot_be_read_is_refused():
    target = ChainTarget(id="x", service="web", datacenter="dc1", subset=Subset(filter="(("))

    with pytest.raises(FilterError):
        endpoints_of(target, NODES)
