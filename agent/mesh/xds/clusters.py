"""Clusters of a proxy as Envoy's, with their endpoints apart: those change far more often."""

import ipaddress
from typing import Final

from agent.mesh.xds.names import ADS, Json, extension, seconds, socket_address
from agent.mesh.xds.tls import client_socket
from proxy.api import Cluster, Endpoint, EndpointGroup, Outlier, ProxyConfig

POLICIES: Final = {
    "round_robin": "ROUND_ROBIN",
    "weighted": "ROUND_ROBIN",
    "random": "RANDOM",
    "least_request": "LEAST_REQUEST",
    "ring_hash": "RING_HASH",
    "maglev": "MAGLEV",
    # The nearest that Envoy has: both go where the least is waiting.
    "peak_ewma": "LEAST_REQUEST",
}
MATCH_KEY: Final = "envoy.transport_socket_match"
OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(config: ProxyConfig) -> list[Json]:
    """Every cluster of a proxy."""
    return [_cluster(cluster) for cluster in config.clusters.values()]


def endpoints(config: ProxyConfig) -> list[Json]:
    """The endpoints of every cluster that gets them apart."""
    return [_assignment(cluster) for cluster in config.clusters.values() if not _has_names(cluster)]


def _cluster(cluster: Cluster) -> Json:
    found: Json = {
        "name": cluster.name,
        "connect_timeout": seconds(cluster.connect_timeout_s),
        "lb_policy": POLICIES[cluster.balance.policy],
        # Never to an unhealthy one, however few are left.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0.0}},
        "circuit_breakers": {"thresholds": [_limits(cluster)]},
    }
    if _has_names(cluster):
        found |= {"type": "STRICT_DNS", "load_assignment": _assignment(cluster)}
    else:
        found |= {"type": "EDS", "eds_cluster_config": {"eds_config": ADS}}
    found |= _balance(cluster)
    if cluster.outlier is not None:
        found["outlier_detection"] = _outlier(cluster.outlier)
    sockets = [_socket_match(group) for group in cluster.groups if group.tls is not None]
    if sockets:
        found["transport_socket_matches"] = sockets
    if cluster.protocol in {"http2", "grpc"}:
        http2: Json = {"explicit_http_config": {"http2_protocol_options": {}}}
        options = extension("", "upstreams.http.v3.HttpProtocolOptions", http2)
        found["typed_extension_protocol_options"] = {OPTIONS: options["typed_config"]}
    return found


def _balance(cluster: Cluster) -> Json:
    balance = cluster.balance
    if balance.policy in {"least_request", "peak_ewma"}:
        return {"least_request_lb_config": {"choice_count": max(2, balance.choice_count)}}
    if balance.policy == "ring_hash":
        sizes = {
            "minimum_ring_size": balance.ring_size_min,
            "maximum_ring_size": balance.ring_size_max,
        }
        return {"ring_hash_lb_config": sizes}
    return {}


def _limits(cluster: Cluster) -> Json:
    wanted = {
        "max_connections": cluster.connections_max,
        "max_pending_requests": cluster.pending_max,
        "max_requests": cluster.requests_max,
    }
    budget = {
        "budget_percent": {"value": cluster.retry_budget.percent},
        "min_retry_concurrency": max(1, round(cluster.retry_budget.per_second_min)),
    }
    return {
        **{name: value for name, value in wanted.items() if value is not None},
        "retry_budget": budget,
    }


def _outlier(outlier: Outlier) -> Json:
    return {
        "interval": seconds(outlier.interval_s),
        "consecutive_5xx": outlier.failures_max,
        "enforcing_consecutive_5xx": round(outlier.enforcing_percent),
        "max_ejection_percent": round(outlier.ejected_percent_max),
        "base_ejection_time": seconds(outlier.ejection_s),
        "max_ejection_time": seconds(max(outlier.ejection_s_max, outlier.ejection_s)),
    }


def _socket_match(group: EndpointGroup) -> Json:
    assert group.tls is not None
    return {
        "name": group.target,
        "match": {"group": group.target},
        "transport_socket": client_socket(group.tls),
    }


def _assignment(cluster: Cluster) -> Json:
    """A group is a priority: the next one serves when none of the first is left."""
    found = [
        {
            "priority": priority,
            "lb_endpoints": [_endpoint(endpoint, group) for endpoint in group.endpoints],
        }
        for priority, group in enumerate(cluster.groups)
    ]
    return {
        "cluster_name": cluster.name,
        "endpoints": found,
        # Any endpoint at all keeps a priority in use, as here.
        "policy": {"overprovisioning_factor": 100_000},
    }


def _endpoint(endpoint: Endpoint, group: EndpointGroup) -> Json:
    at = socket_address(endpoint.address, endpoint.port, endpoint.path)
    found: Json = {"endpoint": {"address": at}, "load_balancing_weight": max(1, endpoint.weight)}
    if group.tls is not None:
        found["metadata"] = {"filter_metadata": {MATCH_KEY: {"group": group.target}}}
    return found


def _has_names(cluster: Cluster) -> bool:
    """Whether an endpoint is a host name, which Envoy does not take among endpoints apart."""
    every = (endpoint for group in cluster.groups for endpoint in group.endpoints)
    return any(not endpoint.path and not _is_ip(endpoint.address) for endpoint in every)


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
