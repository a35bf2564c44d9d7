"""Defaults of registrations. Shapes recorded from Consul 1.9.8."""

import pytest

from agent.local.errors import BadDefinition
from agent.local.registration import plan_check, plan_service
from catalog.duration import SECOND
from catalog.rows.service import NodeService, ServiceAddress, Weights
from tests.agent.local.fakes import check, service


def no_port(sidecar_id: str) -> int:
    raise AssertionError(sidecar_id)


def plan(body: str, choose_port=no_port):
    return plan_service(service(body), "n1", choose_port)


def test_the_id_is_the_name_and_weights_are_one():
    (planned,) = plan('{"Name":"web"}')

    assert NodeService(id="web", service="web") == planned.service
    assert planned.service.weights == Weights(passing=1, warning=1)


def test_left_out_weights_are_one_but_a_left_out_weight_is_zero():
    (planned,) = plan('{"Name":"web","Weights":{"Passing":10}}')

    assert Weights(passing=10, warning=0) == planned.service.weights


def test_an_ip_address_is_tagged_with_its_family_unless_given():
    (planned,) = plan(
        '{"Name":"web","Address":"10.0.0.1","Port":8,'
        '"TaggedAddresses":{"wan_ipv4":{"Address":"1.1.1.1","Port":1}}}'
    )
    (named,) = plan('{"Name":"web","Address":"web.example.com"}')
    (six,) = plan('{"Name":"web","Address":"2001:db8::1"}')

    assert planned.service.tagged_addresses == {
        "lan_ipv4": ServiceAddress(address="10.0.0.1", port=8),
        "wan_ipv4": ServiceAddress(address="1.1.1.1", port=1),
    }
    assert named.service.tagged_addresses is None
    assert six.service.tagged_addresses is not None
    assert {"lan_ipv6", "wan_ipv6"} == set(six.service.tagged_addresses)


def test_checks_are_numbered_only_when_there_are_several():
    (one,) = plan('{"Name":"a","Check":{"TTL":"60s"}}')
    (several,) = plan(
        '{"Name":"m","Checks":[{"TTL":"60s"},{"TTL":"70s","Name":"second","Status":"passing"},'
        '{"CheckID":"third","TTL":"80s"}]}'
    )

    assert [
        (each.check.check_id, each.check.name, each.check.status, each.check.type)
        for each in one.checks
    ] == [("service:a", "Service 'a' check", "critical", "ttl")]
    assert [
        (each.check.check_id, each.check.name, each.check.status) for each in several.checks
    ] == [
        ("service:m:1", "Service 'm' check", "critical"),
        ("service:m:2", "second", "passing"),
        ("third", "Service 'm' check", "critical"),
    ]


def test_of_two_checks_with_one_id_the_later_stands():
    (planned,) = plan('{"Name":"a","Checks":[{"ID":"c","TTL":"1s"},{"ID":"c","TTL":"2s"}]}')

    assert [each.definition.ttl_ns for each in planned.checks] == [2 * SECOND]


def test_upstreams_lead_to_services_unless_told_otherwise():
    (planned,) = plan(
        '{"Kind":"connect-proxy","Name":"p","Port":1,"Proxy":{"DestinationServiceName":"x",'
        '"Upstreams":[{"DestinationName":"db","LocalBindPort":5}]}}'
    )

    assert planned.service.proxy.upstreams is not None
    assert planned.service.proxy.upstreams[0].destination_type == "service"


def test_a_sidecar_takes_what_it_leaves_out_from_its_service():
    parent, sidecar = plan(
        '{"Name":"web","Port":9000,"Tags":["x"],"Meta":{"k":"v"},"Address":"10.0.0.1",'
        '"Connect":{"SidecarService":{}}}',
        lambda _id: 21000,
    )

    row = sidecar.service
    assert not parent.is_sidecar
    assert sidecar.is_sidecar
    assert (
        row.kind,
        row.id,
        row.service,
        row.port,
    ) == ("connect-proxy", "web-sidecar-proxy", "web-sidecar-proxy", 21000)
    assert (row.tags, row.meta, row.address) == (("x",), {"k": "v"}, "10.0.0.1")
    assert (
        row.proxy.destination_service_name,
        row.proxy.destination_service_id,
        row.proxy.local_service_address,
        row.proxy.local_service_port,
    ) == ("web", "web", "127.0.0.1", 9000)


@pytest.mark.parametrize(("own", "expected"), [("", 7), ('"Weights":{"Passing":3},', 3)])
def test_a_sidecar_weighs_what_its_service_does_unless_it_says_otherwise(own: str, expected: int):
    sidecar = f'"Connect":{{"SidecarService":{{{own}"Port":21777}}}}'
    _, planned = plan(f'{{"Name":"web","Weights":{{"Passing":7,"Warning":2}},{sidecar}}}')

    assert expected == planned.service.weights.passing


def test_a_sidecar_without_checks_gets_a_tcp_and_an_alias_check():
    _, sidecar = plan('{"Name":"web","Connect":{"SidecarService":{"Port":21777}}}')

    assert [
        (
            each.check.check_id,
            each.check.name,
            each.check.type,
            each.definition.tcp,
            each.definition.alias_service,
        )
        for each in sidecar.checks
    ] == [
        ("service:web-sidecar-proxy:1", "Connect Sidecar Listening", "tcp", "127.0.0.1:21777", ""),
        ("service:web-sidecar-proxy:2", "Connect Sidecar Aliasing web", "alias", "", "web"),
    ]
    assert sidecar.checks[0].definition.interval_ns == 10 * SECOND


def test_a_sidecar_that_gets_no_port_is_refused():
    def none_left(_id: str) -> int:
        raise BadDefinition("none left")

    with pytest.raises(BadDefinition, match=r"^Invalid SidecarService: none left$"):
        plan('{"Name":"web","Connect":{"SidecarService":{}}}', none_left)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('{"TTL":"1s"}', "Missing check name"),
        ('{"Name":"c","TTL":"1s","Status":"fine"}', "Bad check status"),
        ('{"Name":"c"}', "Invalid check: TTL must be > 0 for TTL checks"),
    ],
)
def test_checks_alone_are_refused_with_texts_of_their_own(body, fault):
    with pytest.raises(BadDefinition, match=f"^{fault}$"):
        plan_check(check(body), "n1", None)


def test_a_check_alone_is_named_by_its_name_and_may_belong_to_a_service():
    row = NodeService(id="web1", service="web", tags=("a",))

    alone = plan_check(check('{"Name":"c","TTL":"1s"}'), "n1", None).check
    owned = plan_check(check('{"Name":"c","TTL":"1s","ServiceID":"web1"}'), "n1", row).check

    assert (alone.check_id, alone.service_name, alone.service_tags) == ("c", "", None)
    assert (owned.service_id, owned.service_name, owned.service_tags) == ("web1", "web", ("a",))


def test_a_sidecar_of_an_application_at_a_socket_has_no_local_port():
    _, sidecar = plan(
        '{"Name":"web","Port":80,"Connect":{"SidecarService":{"Port":21777,"Proxy":'
        '{"LocalServiceSocketPath":"/run/web.sock"}}}}'
    )

    assert 0 == sidecar.service.proxy.local_service_port
