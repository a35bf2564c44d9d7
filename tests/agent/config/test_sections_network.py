from agent.config.sections_network import DNSConfig, HTTPConfig, Limits, Ports, UIConfig
from catalog.duration import HOUR, SECOND


def test_ports_are_the_documented_ones():
    ports = Ports()

    assert (
        ports.dns, ports.http, ports.https, ports.grpc, ports.serf_lan, ports.serf_wan, ports.server
    ) == (8600, 8500, -1, -1, 8301, 8302, 8300)  # fmt: skip
    assert (
        ports.sidecar_min_port,
        ports.sidecar_max_port,
        ports.expose_min_port,
        ports.expose_max_port,
    ) == (21000, 21255, 21500, 21755)


def test_doors_answer_as_documented():
    dns, limits = DNSConfig(), Limits()

    assert (
        dns.allow_stale,
        dns.max_stale,
        dns.udp_answer_limit,
        dns.recursor_timeout,
    ) == (True, 87600 * HOUR, 3, 2 * SECOND)
    assert (
        limits.http_max_conns_per_client,
        limits.rpc_max_conns_per_client,
        limits.kv_max_value_size,
        limits.rpc_rate,
    ) == (200, 100, 524288, -1.0)
    assert (HTTPConfig().use_cache, UIConfig().content_path) == (True, "/ui/")
