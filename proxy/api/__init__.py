"""What a proxy is told: one frozen value, `ProxyConfig`, and everything it is made of.

The agent makes these values from the catalog and feeds them to a worker; the worker makes nothing
of its own. A newer value replaces an older one as a whole. Names of clusters, routes and targets
are those of the discovery chain, so that what a proxy decides can be explained in its words.

Times are seconds, 0 is "none" where a field does not say otherwise; percentages are 0-100.
Source: Consul, config entries and proxy configuration; Envoy's listener, route and cluster model.
"""

from proxy.api.clusters import Balance, Cluster, Endpoint, EndpointGroup, Outlier, RetryBudget
from proxy.api.config import AccessLog, ProxyConfig, Tracing
from proxy.api.identity import ClientTls, Identity, ServerTls, TlsVersions
from proxy.api.listeners import FilterChain, HttpOptions, Listener
from proxy.api.policy import (
    ClaimMatch,
    HeaderMatch,
    Intention,
    JwtLocation,
    JwtProvider,
    JwtRequirement,
    Permission,
    Policy,
)
from proxy.api.protocol import (
    ANY,
    CONNECT_TIMEOUT_S,
    HANDSHAKE_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    Protocol,
)
from proxy.api.routes import (
    Fault,
    HashPolicy,
    HeaderEdits,
    Mirror,
    QueryMatch,
    RateLimit,
    RetryPolicy,
    Route,
    RouteMatch,
    WeightedCluster,
)

__all__ = [
    "ANY",
    "CONNECT_TIMEOUT_S",
    "HANDSHAKE_TIMEOUT_S",
    "IDLE_TIMEOUT_S",
    "REQUEST_TIMEOUT_S",
    "AccessLog",
    "Balance",
    "ClaimMatch",
    "ClientTls",
    "Cluster",
    "Endpoint",
    "EndpointGroup",
    "Fault",
    "FilterChain",
    "HashPolicy",
    "HeaderEdits",
    "HeaderMatch",
    "HttpOptions",
    "Identity",
    "Intention",
    "JwtLocation",
    "JwtProvider",
    "JwtRequirement",
    "Listener",
    "Mirror",
    "Outlier",
    "Permission",
    "Policy",
    "Protocol",
    "ProxyConfig",
    "QueryMatch",
    "RateLimit",
    "RetryBudget",
    "RetryPolicy",
    "Route",
    "RouteMatch",
    "ServerTls",
    "TlsVersions",
    "Tracing",
    "WeightedCluster",
]
