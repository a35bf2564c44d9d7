"""Ports of sidecars."""

import pytest

from agent.local.agent import LocalSettings
from agent.local.errors import BadDefinition
from agent.local.ports import SidecarPorts
from agent.local.state import LocalService
from catalog.rows.service import NodeService


def ports(used: dict[str, int], first: int = 21000, last: int = 21001) -> SidecarPorts:
    services = {
        service_id: LocalService(service=NodeService(id=service_id, service="s", port=port))
        for service_id, port in used.items()
    }
    return SidecarPorts(
        services, LocalSettings(node="n1", sidecar_port_min=first, sidecar_port_max=last)
    )


def test_the_lowest_free_port_is_chosen_once():
    chooser = ports({"other": 8080})

    assert [chooser.choose("a"), chooser.choose("b")] == [21000, 21001]


def test_a_registered_sidecar_keeps_its_port():
    assert ports({"x": 21000, "a": 21001}).choose("a") == 21001


def test_a_port_outside_the_range_is_not_kept():
    assert ports({"a": 9}).choose("a") == 21000


def test_no_port_left_names_the_range():
    with pytest.raises(BadDefinition, match=r"none left in the configured range \[21000, 21001\]"):
        ports({"x": 21000, "y": 21001}).choose("a")


def test_assignment_can_be_off():
    with pytest.raises(BadDefinition, match="auto-assignment disabled in config"):
        ports({}, first=-1).choose("a")
