"""What cannot be registered. Texts recorded from Consul 1.9.8."""

import json

import pytest

from agent.local.errors import BadDefinition
from agent.local.validation import is_dns_label, multiple_errors, validate_service
from tests.agent.local.fakes import service

TOO_LONG = "a" * 129


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("{}", "Missing service name"),
        ('{"ID":"x"}', "Missing service name"),
        ('{"Name":"n","Address":"0.0.0.0"}', "Invalid service address"),
        ('{"Name":"n","Address":"::"}', "Invalid service address"),
        ('{"Name":"n","Address":"[::]"}', "Invalid service address"),
        (
            '{"Name":"n","Weights":{"Passing":-1}}',
            "Invalid Weights: Passing must be greater than 0",
        ),
        ('{"Name":"n","Weights":{}}', "Invalid Weights: Passing must be greater than 0"),
        (
            '{"Name":"n","Weights":{"Passing":1,"Warning":-1}}',
            "Invalid Weights: Warning must be greater or equal than 0",
        ),
        (
            '{"Name":"n","Weights":{"Passing":70000,"Warning":1}}',
            "Invalid Weights: DNS Weight must be between 0 and 65535",
        ),
        (
            f'{{"Name":"n","Meta":{{"{TOO_LONG}":"x"}}}}',
            f"Invalid Service Meta: Couldn't load metadata pair ('{TOO_LONG}', 'x'): "
            "Key is too long (limit: 128 characters)",
        ),
        (
            '{"Name":"n","Meta":{"bad key":"x"}}',
            "Invalid Service Meta: Couldn't load metadata pair ('bad key', 'x'): "
            "Key contains invalid characters",
        ),
        (
            '{"Name":"n","Meta":{"consul-x":"1"}}',
            "Invalid Service Meta: Couldn't load metadata pair ('consul-x', '1'): "
            "Key prefix 'consul-' is reserved for internal use",
        ),
        (
            '{"Name":"n","Check":{"Interval":"10s"}}',
            "Invalid check: TTL must be > 0 for TTL checks",
        ),
        (
            '{"Name":"n","Check":{"HTTP":"http://127.0.0.1:1/"}}',
            "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks",
        ),
        (
            '{"Name":"n","Check":{"Status":"fine","TTL":"10s"}}',
            "Status for checks must 'passing', 'warning', 'critical'",
        ),
        (
            '{"Name":"n","Check":{"TTL":"10s","HTTP":"http://x/","Interval":"1s"}}',
            "Invalid check: Interval and TTL cannot both be specified",
        ),
        (
            '{"Name":"n","Kind":"connect-proxy","Port":1}',
            "1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect "
            "proxy services\n\n",
        ),
        (
            '{"Name":"n","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"x",'
            '"Upstreams":[{"DestinationName":"a"}]}}',
            "1 error occurred:\n\t* upstream local bind port cannot be zero\n\n",
        ),
        (
            '{"Name":"n","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"x",'
            '"Upstreams":[{"DestinationName":"a","LocalBindPort":1},'
            '{"DestinationName":"b","LocalBindPort":1}]}}',
            "1 error occurred:\n\t* upstreams cannot contain duplicates by local bind address and "
            'port; "127.0.0.1:1" is specified twice\n\n',
        ),
        (
            '{"Name":"n","Kind":"connect-proxy","Connect":{"Native":true},"Proxy":{"Expose":'
            '{"Paths":[{"ListenerPort":0,"Protocol":"ftp"}]}}}',
            "6 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect "
            "proxy services\n\t* Port must be set for a Connect proxy\n\t* A Proxy cannot also be "
            "Connect Native, only typical services\n\t* expose.paths: empty path exposed\n\t* "
            "expose.paths: invalid listener port: 0\n\t* protocol 'ftp' not supported for path: , "
            "must be in: [http http2]\n\n",
        ),
        (
            '{"Name":"n","Kind":"mesh-gateway","Proxy":{"LocalServicePort":3}}',
            "2 errors occurred:\n\t* Port must be non-zero for a mesh-gateway\n\t* The "
            "Proxy.LocalServicePort configuration is invalid for a mesh-gateway\n\n",
        ),
        (
            '{"Name":"n","Connect":{"SidecarService":{"ID":"x","Connect":{"SidecarService":{}}}}}',
            "2 errors occurred:\n\t* A SidecarService cannot specify an ID as this is managed by "
            "the agent\n\t* A SidecarService cannot have a nested SidecarService\n\n",
        ),
        (
            '{"Name":"n","Connect":{"SidecarService":{"Check":{"HTTP":"x"}}}}',
            "Invalid check in sidecar_service: Interval must be > 0 for Script, HTTP, "
            "or TCP checks",
        ),
    ],
)
def test_refusals_have_the_texts_that_clients_match_on(body, fault):
    with pytest.raises(BadDefinition) as caught:
        validate_service(service(body))

    assert fault == str(caught.value)


@pytest.mark.parametrize("address", ["[2001:db8::9]", "https://a.example/x", "10.0.0.1/8", "a b"])
def test_addresses_that_dns_cannot_answer_with_are_refused(address):
    with pytest.raises(BadDefinition, match=r"^Invalid service address: "):
        validate_service(service(f'{{"Name":"n","Address":"{address}"}}'))


@pytest.mark.parametrize(
    "body",
    [
        '{"Name":"under_score","Tags":["bad tag!"]}',
        '{"Name":"n","Kind":"explode"}',
        '{"Name":"n","Address":"2001:db8::9"}',
        '{"Name":"n","Address":"web.example.com"}',
        '{"Name":"n","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"*"}}',
        '{"Name":"n","Kind":"mesh-gateway","Port":1,"Meta":{"consul-wan-federation":"1"}}',
        '{"Name":"n","Kind":"ingress-gateway"}',
    ],
)
def test_what_consul_accepts_is_accepted(body):
    validate_service(service(body))


def test_more_than_64_metadata_pairs_are_refused():
    pairs = ",".join(f'"k{number}":""' for number in range(65))

    with pytest.raises(BadDefinition, match="more than 64"):
        validate_service(service(f'{{"Name":"n","Meta":{{{pairs}}}}}'))


def test_one_error_is_singular():
    assert multiple_errors(["a"]) == "1 error occurred:\n\t* a\n\n"


def test_names_that_dns_can_ask_for():
    assert is_dns_label("web-1")
    assert not is_dns_label("under_score")
    assert not is_dns_label("a" * 64)


def with_upstreams(*upstreams):
    proxy = {"DestinationServiceName": "x", "Upstreams": upstreams}
    return service(json.dumps({"Name": "n", "Kind": "connect-proxy", "Port": 1, "Proxy": proxy}))


def test_upstream_may_listen_at_a_socket_instead_of_a_port():
    validate_service(
        with_upstreams(
            {
                "DestinationName": "db",
                "LocalBindSocketPath": "/run/db.sock",
                "LocalBindSocketMode": "0600",
            },
            {"DestinationName": "db", "DestinationPeer": "west", "LocalBindPort": 1},
        )
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"LocalBindPort": 1, "LocalBindSocketPath": "/s"}, "only one of local bind address"),
        ({"LocalBindSocketPath": "/s", "LocalBindSocketMode": "rw"}, 'invalid socket mode "rw"'),
        ({"LocalBindPort": 1, "LocalBindSocketMode": "0600"}, 'invalid socket mode "0600"'),
        (
            {"LocalBindPort": 1, "DestinationPeer": "west", "Datacenter": "dc2"},
            "upstream cannot specify both destination peer and datacenter",
        ),
    ],
)
def test_upstream_listens_in_one_way_and_is_in_one_place(fields, fault):
    with pytest.raises(BadDefinition, match=fault):
        validate_service(with_upstreams({"DestinationName": "db", **fields}))


def test_two_upstreams_do_not_share_a_socket():
    sockets = [{"DestinationName": name, "LocalBindSocketPath": "/s"} for name in ("a", "b")]

    with pytest.raises(BadDefinition, match='duplicates by local bind unix path; "/s" is'):
        validate_service(with_upstreams(*sockets))


def test_api_gateway_needs_no_port_and_has_no_upstreams():
    validate_service(service('{"Name":"gw","Kind":"api-gateway"}'))
    with pytest.raises(BadDefinition, match=r"Proxy\.LocalServicePort configuration is invalid"):
        validate_service(
            service('{"Name":"gw","Kind":"api-gateway","Proxy":{"LocalServicePort":3}}')
        )
