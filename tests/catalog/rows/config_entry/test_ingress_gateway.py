import pytest

from catalog.rows.config_entry import decode_entry, normalize


def gateway(services, protocol="http", **fields):
    return {"Listeners": [{"Port": 80, "Protocol": protocol, "Services": services}], **fields}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (gateway([{"Name": "a", "Hosts": ["a.example", "*.b.example"]}, {"Name": "b"}]), ""),
        (gateway([{"Name": "*"}]), ""),
        (
            gateway([{"Name": "x"}], "bogus"),
            "protocol must be 'tcp', 'http', 'http2', or 'grpc'. "
            "'bogus' is an unsupported protocol",
        ),
        (gateway([{"Name": "*"}], "grpc"), ""),
        (gateway([{"Name": "a"}, {"Name": "b"}], "http2"), ""),
        (
            gateway([{"Name": "a", "MaxConnections": -1}]),
            "Service a MaxConnections must be >= 0, not -1",
        ),
        (
            gateway([{"Name": "a"}], TLS={"Enabled": True, "TLSMinVersion": "SSLv3"}),
            "unknown TLS version SSLv3, must be one of TLS_AUTO, TLSv1_0, TLSv1_1, TLSv1_2, "
            "TLSv1_3",
        ),
        (
            gateway([{"Name": "a", "TLS": {"SDS": {"ClusterName": "c"}}}]),
            "Service a TLS.SDS.ClusterName and CertResource must both be set",
        ),
        (gateway([], "tcp"), "No service declared for listener with port 80"),
        (
            gateway([{"Name": "*"}], "tcp"),
            "Wildcard service name is only valid for protocol = 'http' (listener on port 80)",
        ),
        (
            gateway([{"Name": "a"}, {"Name": "b"}], ""),
            "Multiple services per listener are only supported for protocol = 'http' "
            "(listener on port 80)",
        ),
        (
            {"Listeners": [{"Port": 1, "Services": [{"Name": "a"}]}] * 2},
            "port 1 declared on two listeners",
        ),
        (
            gateway([{"Name": "*", "Hosts": ["a"]}]),
            "Associating hosts to a wildcard service is not supported (listener on port 80)",
        ),
        (gateway([{}]), "Service name cannot be blank (listener on port 80)"),
        (
            gateway([{"Name": "a", "Hosts": ["a"]}], "tcp"),
            "Associating hosts to a service is not supported for the tcp protocol "
            "(listener on port 80)",
        ),
        (
            gateway([{"Name": "a"}, {"Name": "a"}]),
            "Service a cannot be added multiple times (listener on port 80)",
        ),
        (
            gateway([{"Name": "a", "Hosts": ["h"]}, {"Name": "b", "Hosts": ["h"]}]),
            "Hosts must be unique within a specific listener (listener on port 80)",
        ),
        (
            gateway([{"Name": "a", "Hosts": ["*"]}], TLS={"Enabled": True}),
            "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to "
            "add as a DNSSAN",
        ),
        (
            gateway([{"Name": "a", "Hosts": ["a.*.b"]}]),
            'Host "a.*.b" is not valid, a wildcard specifier is only allowed as the leftmost label',
        ),
        (
            gateway([{"Name": "a", "Hosts": ["a b"]}]),
            'Host "a b" must be a valid DNS hostname',
        ),
    ],
)
def test_gateway_that_contradicts_itself_is_refused(refusal, fields, text):
    assert text == refusal({"Kind": "ingress-gateway", **fields})


def test_listener_without_protocol_is_tcp():
    body = {"Kind": "ingress-gateway", "Name": "g", "Listeners": [{"Port": 1}]}

    assert normalize(decode_entry(body)).listeners[0].protocol == "tcp"
