import re

from agent.telemetry.table import METRICS, REQUEST_BUCKETS_MS
from proxy.edge_counts import BUCKETS_MS


def test_each_name_is_declared_once():
    names = [metric.name for metric in METRICS]

    assert len(names) == len(set(names))


def test_names_begin_with_consul_and_help_is_a_sentence():
    for metric in METRICS:
        assert re.fullmatch(r"consul(\.[\w-]+)+", metric.name), metric.name
        assert metric.help.endswith("."), metric.name
        assert metric.unit, metric.name


def test_names_of_existing_dashboards_are_declared():
    names = {metric.name for metric in METRICS}

    assert {
        "consul.autopilot.healthy",
        "consul.autopilot.failure_tolerance",
        "consul.raft.applied_index",
        "consul.raft.commitTime",
        "consul.raft.leader.lastContact",
        "consul.runtime.alloc_bytes",
        "consul.session_ttl.active",
        "consul.rpc.queries_blocking",
        "consul.client.rpc",
        "consul.serf.member.flap",
        "consul.catalog.service.query",
        "consul.api.http",
        "consul.kvs.apply",
        "consul.dns.domain_query",
        "consul.acl.ResolveToken",
        "consul.memberlist.gossip",
    } <= names


def test_histograms_have_buckets_that_rise_and_nothing_else_has():
    for metric in METRICS:
        assert (metric.kind == "histogram") == bool(metric.buckets), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets)), metric.name


def test_requests_are_shown_by_the_buckets_that_proxies_count_by():
    assert REQUEST_BUCKETS_MS == BUCKETS_MS
