from catalog.rows.check import HealthCheck
from catalog.rows.query import PreparedQuery, QueryTemplate
from catalog.rows.service import ConnectProxy, NodeService, ServiceConnect, ServiceInstance
from catalog.rows.session import ServiceCheck, Session
from catalog.tables import (
    CHECKS,
    KV,
    NODES,
    QUERIES,
    SCHEMA,
    SERVICES,
    SESSIONS,
    TOMBSTONES,
    session_checks,
)


def values(table, name, row):
    (index,) = (index for index in table.indexes if index.name == name)
    return list(index.keys(row))


def instance(**fields):
    return ServiceInstance(node="Node-A", service=NodeService(id="Web-1", service="Web", **fields))


def test_names_and_tags_of_tables_are_unique():
    assert len(SCHEMA) == len({table.name for table in SCHEMA})
    assert len(SCHEMA) == len({table.tag for table in SCHEMA})


def test_tags_of_tables_never_change():
    """Snapshots on disk carry them."""
    assert {table.name: table.tag for table in SCHEMA} == {
        "nodes": 1,
        "services": 2,
        "checks": 3,
        "kvs": 4,
        "tombstones": 5,
        "sessions": 6,
        "coordinates": 7,
        "prepared-queries": 8,
        "config-entries": 9,
        "autopilot-config": 10,
        "connect-ca-roots": 11,
        "connect-ca-signers": 12,
        "connect-ca-config": 13,
        "connect-ca-serial": 14,
        "connect-ca-revocations": 15,
        "connect-ca-leaves": 16,
    }


def test_only_tables_with_prefix_reads_keep_their_keys_sorted():
    assert [table for table in SCHEMA if table.ordered] == [NODES, KV, TOMBSTONES]


def test_node_and_service_names_are_found_without_regard_to_case():
    row = instance()

    assert SERVICES.key(row) == ("node-a", "Web-1")
    assert values(SERVICES, "node", row) == ["node-a"]
    assert values(SERVICES, "service", row) == ["web"]


def test_proxy_is_found_by_the_service_that_it_serves():
    proxy = instance(kind="connect-proxy", proxy=ConnectProxy(destination_service_name="API"))

    assert values(SERVICES, "connect", proxy) == ["api"]
    assert values(SERVICES, "kind", proxy) == ["connect-proxy"]


def test_native_instance_is_found_by_its_own_name_and_a_plain_one_is_not():
    native = instance(connect=ServiceConnect(native=True))

    assert values(SERVICES, "connect", native) == ["web"]
    assert values(SERVICES, "connect", instance()) == []
    assert values(SERVICES, "kind", instance()) == []


def test_instance_without_an_address_of_its_own_is_not_found_by_address():
    assert values(SERVICES, "address", instance()) == []
    assert values(SERVICES, "address", instance(address="10.0.0.9")) == ["10.0.0.9"]


def test_check_is_found_by_node_and_instance():
    check = HealthCheck(node="N", check_id="c", service_id="s", service_name="S", status="warning")

    assert CHECKS.key(check) == ("n", "c")
    assert values(CHECKS, "instance", check) == [("n", "s")]
    assert values(CHECKS, "service", check) == ["s"]
    assert values(CHECKS, "status", check) == ["warning"]


def test_session_is_bound_to_its_node_service_and_legacy_checks():
    session = Session(
        id="s",
        node="N",
        node_checks=("a",),
        service_checks=(ServiceCheck(id="b"),),
        checks=("c", "a"),
    )

    assert session_checks(session) == ("a", "b", "c", "a")
    assert {("n", "a"), ("n", "b"), ("n", "c")} == set(values(SESSIONS, "check", session))
    assert session_checks(Session(id="s")) == ()


def test_only_templates_are_found_by_the_template_index():
    template = PreparedQuery(id="q", template=QueryTemplate(type="name_prefix_match"))

    assert values(QUERIES, "template", template) == [""]
    assert values(QUERIES, "name", template) == []
    assert values(QUERIES, "template", PreparedQuery(id="q", name="Named")) == []
    assert values(QUERIES, "name", PreparedQuery(id="q", name="Named")) == ["named"]
