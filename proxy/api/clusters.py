"""What stands behind a route: groups of instances and how they are used. Source: Consul,
service-resolver and upstream configuration; Envoy's clusters."""

from typing import Literal

from proxy.api.identity import ClientTls
from proxy.api.protocol import CONNECT_TIMEOUT_S, Protocol
from proxy.api.value import Value


class Endpoint(Value, frozen=True, kw_only=True):
    """An instance: an address, or the path of a Unix socket. ``id`` is ``node/service-id``.

    ``rtt_s``: estimated from network coordinates, 0 is unknown. A host name is looked up when it
    is dialled.
    """

    id: str
    address: str = ""
    port: int = 0
    path: str = ""
    weight: int = 1
    rtt_s: float = 0.0


class EndpointGroup(Value, frozen=True, kw_only=True):
    """Instances of one target of the chain that are dialled alike."""

    target: str
    tls: ClientTls | None = None
    endpoints: tuple[Endpoint, ...] = ()


class Balance(Value, frozen=True, kw_only=True):
    """``local``: prefer near endpoints by ``rtt_s`` while they have room.

    ``peak_ewma`` and ``weighted`` are ours; round_robin, random, ... respect weights too.
    """

    policy: Literal[
        "round_robin",
        "weighted",
        "random",
        "least_request",
        "ring_hash",
        "maglev",
        "peak_ewma",
    ] = "round_robin"
    choice_count: int = 2
    ring_size_min: int = 1024
    ring_size_max: int = 8_388_608
    local: bool = False


class Outlier(Value, frozen=True, kw_only=True):
    """When an endpoint is set aside for failing, and for how long. Defaults are Envoy's."""

    interval_s: float = 10.0
    failures_max: int = 5
    enforcing_percent: float = 100.0
    ejected_percent_max: float = 10.0
    ejection_s: float = 30.0
    ejection_s_max: float = 300.0


class RetryBudget(Value, frozen=True, kw_only=True):
    """How many retries may be open beside the requests: a share of them, and at least some."""

    percent: float = 20.0
    per_second_min: float = 3.0


class Cluster(Value, frozen=True, kw_only=True):
    """Where a route ends: groups of endpoints, the first that has a usable one serves (failover).

    Limits are of what is open at once; None is 1024, 0 is none at all.
    """

    name: str
    service: str
    datacenter: str = ""
    protocol: Protocol = "tcp"
    groups: tuple[EndpointGroup, ...] = ()
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    balance: Balance = Balance()
    outlier: Outlier | None = Outlier()
    retry_budget: RetryBudget = RetryBudget()
    connections_max: int | None = None
    pending_max: int | None = None
    requests_max: int | None = None
