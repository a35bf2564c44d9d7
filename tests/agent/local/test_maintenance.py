"""Maintenance checks. Texts recorded from Consul 1.9.8."""

from agent.local.maintenance import maintenance_check, maintenance_id
from catalog.rows.check import HealthCheck
from catalog.rows.service import NodeService

WEB = NodeService(id="web1", service="web", tags=("a",))


def test_the_node_is_out_of_use_for_a_default_reason():
    assert maintenance_check("n1", None, "") == HealthCheck(
        node="n1",
        check_id="_node_maintenance",
        name="Node Maintenance Mode",
        status="critical",
        notes="Maintenance mode is enabled for this node, but no reason was provided. "
        "This is a default message.",
        type="maintenance",
    )


def test_a_service_is_out_of_use_for_the_given_reason():
    assert maintenance_id(WEB) == "_service_maintenance:web1"
    assert maintenance_check("n1", WEB, "why") == HealthCheck(
        node="n1",
        check_id="_service_maintenance:web1",
        name="Service Maintenance Mode",
        status="critical",
        notes="why",
        service_id="web1",
        service_name="web",
        service_tags=("a",),
        type="maintenance",
    )
