import pytest

from catalog.filters.fields import Field, resolve, row_field
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.intention import Intention
from catalog.rows.node import Node
from catalog.rows.service import NodeService, ServiceNode


def selectors(field: Field, prefix: str = "") -> set[str]:
    """Every selector below a field; ``*`` is any key of a map."""
    match field.kind:
        case "row":
            steps = {name: step for name, (_, step) in field.fields.items()}
        case "map":
            steps = {"*": field.item}
        case "list" if field.item is not None and field.item.kind == "row":
            return {prefix} | selectors(field.item, prefix)
        case _:
            return {prefix}
    found = {prefix} if field.kind == "map" else set()
    for name, step in steps.items():
        found |= selectors(step, f"{prefix}.{name}" if prefix else name)
    return found


def test_node_has_the_documented_selectors():
    expected = {
        "ID", "Node", "Address", "Datacenter", "TaggedAddresses", "TaggedAddresses.*", "Meta",
        "Meta.*",
    }  # fmt: skip

    assert expected == selectors(row_field(Node))


def test_check_has_the_documented_selectors():
    expected = {
        "Node", "CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "ServiceName",
        "ServiceTags", "Type",
    }  # fmt: skip

    assert expected == selectors(row_field(HealthCheck))


def test_intention_has_the_documented_selectors():
    expected = {
        "ID", "Description", "SourceNS", "SourceName", "DestinationNS", "DestinationName",
        "SourceType", "Action", "Precedence", "Meta", "Meta.*",
    }  # fmt: skip

    assert expected == selectors(row_field(Intention))


@pytest.mark.parametrize(
    ("row", "selector", "kind"),
    [
        (CheckServiceNode, "Service.Weights.Passing", "int"),
        (CheckServiceNode, "Service.Proxy.Upstreams", "list"),
        (CheckServiceNode, "Service.Proxy.Upstreams.MeshGateway.Mode", "str"),
        (CheckServiceNode, "Checks.ServiceTags", "list"),
        (NodeService, "TaggedAddresses.lan.Port", "int"),
        (NodeService, "Connect.Native", "bool"),
        (NodeService, "Proxy.Expose.Paths.ListenerPort", "int"),
        (ServiceNode, "ServiceProxy.MeshGateway.Mode", "str"),
        (ServiceNode, "NodeMeta.any", "str"),
    ],
)
def test_selector_reaches_a_field_of_its_type(row, selector, kind):
    assert kind == resolve(row_field(row), tuple(selector.split("."))).kind
