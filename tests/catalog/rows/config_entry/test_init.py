from typing import Any

import pytest

from catalog.errors import BadRequest
from catalog.rows.config_entry import (
    KINDS,
    check_kind,
    decode,
    decode_entry,
    encode,
    entry_to_json,
    normalize,
)

BODIES: list[dict[str, Any]] = [
    {
        "Kind": "service-defaults",
        "Name": "x",
        "Protocol": "http",
        "MeshGateway": {"Mode": "local"},
        "Expose": {"Checks": True, "Paths": [{"ListenerPort": 8080, "Path": "/x"}]},
        "ExternalSNI": "sni.example",
        "Meta": {"a": "b"},
    },
    {
        "Kind": "proxy-defaults",
        "Name": "global",
        "Config": {"a": [1, "b", {"c": True}], "d": 1.5},
        "MeshGateway": {},
        "Expose": {},
    },
    {"Kind": "service-router", "Name": "x", "Routes": [{"Destination": {"NumRetries": 2}}]},
    {"Kind": "service-splitter", "Name": "x", "Splits": [{"Weight": 75}, {"Weight": 25.5}]},
    {
        "Kind": "service-resolver",
        "Name": "x",
        "Subsets": {"v1": {"Filter": "a == b", "OnlyPassing": True}},
        "Failover": {"*": {"Datacenters": ["dc2"]}},
        "ConnectTimeout": "3s",
    },
    {
        "Kind": "ingress-gateway",
        "Name": "x",
        "TLS": {"Enabled": True},
        "Listeners": [{"Port": 80, "Protocol": "tcp", "Services": [{"Name": "a", "Hosts": None}]}],
    },
    {"Kind": "terminating-gateway", "Name": "x", "Services": [{"Name": "a", "CAFile": "/ca.pem"}]},
    {
        "Kind": "service-intentions",
        "Name": "x",
        "Sources": [{"Name": "w", "Action": "allow", "Precedence": 9, "Type": "consul"}],
    },
    {
        "Kind": "mesh",
        "TransparentProxy": {"MeshDestinationsOnly": True},
        "AllowEnablingPermissiveMutualTLS": True,
        "TLS": {"Incoming": {"TLSMinVersion": "TLSv1_2"}},
        "HTTP": {"SanitizeXForwardedClientCert": True},
        "Peering": {"PeerThroughMeshGateways": True},
    },
    {
        "Kind": "jwt-provider",
        "Name": "okta",
        "JSONWebKeySet": {"Remote": {"URI": "https://x/keys", "CacheDuration": 600000000000}},
        "Issuer": "okta",
        "Audiences": ["a"],
        "Locations": [{"Header": {"Name": "x-token", "ValuePrefix": "T ", "Forward": True}}],
        "Forwarding": {"HeaderName": "x-claims", "PadForwardPayloadHeader": False},
        "ClockSkewSeconds": 10,
        "CacheConfig": {"Size": 5},
    },
    {
        "Kind": "exported-services",
        "Name": "default",
        "Services": [{"Name": "web", "Consumers": [{"Peer": "west"}]}],
    },
    {"Kind": "sameness-group", "Name": "x", "Members": [{"Peer": "west"}]},
    {
        "Kind": "api-gateway",
        "Name": "gw",
        "Listeners": [
            {
                "Name": "l",
                "Hostname": "*.example.com",
                "Port": 443,
                "Protocol": "http",
                "TLS": {"Certificates": [{"Kind": "inline-certificate", "Name": "c"}]},
            }
        ],
    },
    {
        "Kind": "http-route",
        "Name": "r",
        "Parents": [{"Kind": "api-gateway", "Name": "gw", "SectionName": "l"}],
        "Rules": [
            {
                "Filters": {"Headers": None, "URLRewrite": {"Path": "/n"}},
                "Matches": [
                    {
                        "Headers": None,
                        "Method": "GET",
                        "Path": {"Match": "prefix", "Value": "/"},
                        "Query": None,
                    }
                ],
                "Services": [{"Name": "web", "Weight": 1, "Filters": {"Headers": None}}],
            }
        ],
        "Hostnames": ["a.example.com"],
    },
    {
        "Kind": "tcp-route",
        "Name": "r",
        "Parents": [{"Kind": "api-gateway", "Name": "gw"}],
        "Services": [{"Name": "db"}],
    },
    {"Kind": "inline-certificate", "Name": "c", "Certificate": "pem", "PrivateKey": "pem"},
    {"Kind": "file-system-certificate", "Name": "c", "Certificate": "/c", "PrivateKey": "/k"},
    {
        "Kind": "control-plane-request-limit",
        "Name": "l",
        "Mode": "permissive",
        "ReadRate": 10,
        "ACL": {"WriteRate": 2.5},
    },
]


def test_every_kind_has_an_example():
    assert list(KINDS) == [body["Kind"] for body in BODIES]


@pytest.mark.parametrize("body", BODIES, ids=list(KINDS))
def test_entry_shows_what_was_written(body: dict[str, Any]):
    shown = entry_to_json(normalize(decode_entry(body)))

    assert body | {"CreateIndex": 0, "ModifyIndex": 0} == shown
    assert next(iter(shown)) == "Kind"
    assert "Name" not in shown or list(shown)[1] == "Name"
    assert list(shown)[-2:] == ["CreateIndex", "ModifyIndex"]


@pytest.mark.parametrize("body", BODIES, ids=list(KINDS))
def test_stored_form_is_the_entry(body: dict[str, Any]):
    entry = normalize(decode_entry(body))

    assert entry == decode(encode(entry))


def test_unknown_kind_is_refused():
    with pytest.raises(BadRequest, match=r"^invalid config entry kind: nosuch$"):
        check_kind("nosuch")
