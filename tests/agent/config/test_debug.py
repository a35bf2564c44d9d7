import json

from agent.config import debug_config
from agent.config.debug import camel


def test_names_and_forms_are_those_of_the_real_agent(start):
    shown = debug_config(start("-dev", "-hcl", 'dns_config { service_ttl { web = "5s" } }'))

    expected = {
        "DevMode": True,
        "Datacenter": "dc1",
        "NodeName": "host-a",
        "ServerMode": True,
        "ACLsEnabled": False,
        "AdvertiseAddrLAN": "127.0.0.1",
        "DNSAddrs": ["tcp://127.0.0.1:8600", "udp://127.0.0.1:8600"],
        "DNSServiceTTL": {"web": "5s"},
        "HTTPAddrs": ["tcp://127.0.0.1:8500"],
        "HTTPSHandshakeTimeout": "5s",
        "DefaultQueryTime": "5m0s",
        "SerfPortLAN": 8301,
        "EncryptKey": "hidden",
        "RetryJoinIntervalLAN": "30s",
        "DNSSOA": {"Expire": 86400, "Minttl": 0, "Refresh": 3600, "Retry": 600},
        "ConsulRaftHeartbeatTimeout": "35ms",
    }
    assert expected == {key: shown[key] for key in expected}
    assert "StatsdAddr" not in shown
    assert sorted(shown) == list(shown)


def test_no_secret_is_shown(start):
    text = """
    acl { tokens { master = "hush", agent = "hush", default = "hush" } }
    retry_join = ["provider=aws secret_access_key=hush"]
    connect { ca_config { Token = "hush" } }
    service { name = "a" token = "hush" check { ttl = "1s" token = "hush" } }
    ui_config { metrics_proxy { base_url = "http://x" add_headers { name = "h", value = "hush" } } }
    """

    shown = json.dumps(debug_config(start("-dev", "-hcl", text)), allow_nan=False)

    assert "hush" not in shown
    assert '"provider=aws secret_access_key=hidden"' in shown


def test_camel_knows_the_short_words():
    assert camel("http_max_conns_per_client") == "HTTPMaxConnsPerClient"
