"""A compiled discovery chain as the API shows it. Source: Consul API, /v1/discovery-chain."""

from typing import Final

from catalog.duration import SECOND, Duration
from catalog.rows.config_entry.failover_policy import FailoverPolicy
from catalog.rows.config_entry.load_balancer import LoadBalancer
from catalog.rows.config_entry.service_resolver import Subset
from catalog.rows.config_entry.service_router import Route
from catalog.rows.config_entry.service_splitter import Split
from catalog.rows.service import MeshGateway
from catalog.schema import Omit, Row

ROUTER: Final = "router"
SPLITTER: Final = "splitter"
RESOLVER: Final = "resolver"
NAMESPACE: Final = "default"
PARTITION: Final = "default"
CONNECT_TIMEOUT_DEFAULT_NS: Final = 5 * SECOND
"""How long a proxy tries to connect where no resolver says it."""


class ChainRoute(Row, frozen=True, kw_only=True):
    """A route of a router and the node that it leads to; ``mirror_node`` gets copies."""

    definition: Route
    next_node: str
    mirror_node: Omit[str] = ""


class ChainSplit(Row, frozen=True, kw_only=True):
    """A share in percent and the node that gets it.

    ``definition`` is there if headers are changed, with the changes of all splitters on the way.
    """

    definition: Omit[Split | None] = None
    weight: float
    next_node: str


class ChainFailover(Row, frozen=True, kw_only=True):
    """Targets that are tried in order when none of the first is left."""

    targets: tuple[str, ...]
    policy: Omit[FailoverPolicy | None] = None


class ChainResolver(Row, frozen=True, kw_only=True):
    """Where a path through the chain ends. ``default``: no entry changes how it resolves."""

    default: Omit[bool] = False
    connect_timeout: Duration
    request_timeout: Omit[Duration] = 0
    target: str
    failover: Omit[ChainFailover | None] = None


class ChainNode(Row, frozen=True, kw_only=True):
    """A node of the graph; which of the parts is set follows from the type."""

    type: str
    name: str
    routes: Omit[tuple[ChainRoute, ...] | None] = None
    splits: Omit[tuple[ChainSplit, ...] | None] = None
    resolver: Omit[ChainResolver | None] = None
    load_balancer: Omit[LoadBalancer | None] = None

    @property
    def key(self) -> str:
        """The node's id."""
        return f"{self.type}:{self.name}"


class ChainTarget(Row, frozen=True, kw_only=True):
    """Instances of a service: some or all, in one datacenter."""

    id: str
    service: str
    service_subset: Omit[str] = ""
    namespace: str = NAMESPACE
    datacenter: str
    peer: Omit[str] = ""
    mesh_gateway: MeshGateway = MeshGateway()
    subset: Subset = Subset()
    external: Omit[bool] = False
    sni: Omit[str] = ""
    name: Omit[str] = ""


class CompiledChain(Row, frozen=True, kw_only=True):
    """The whole graph; ``customization_hash`` tells chains apart that callers changed."""

    service_name: str
    namespace: str = NAMESPACE
    datacenter: str
    customization_hash: Omit[str] = ""
    protocol: str
    start_node: str
    nodes: dict[str, ChainNode]
    targets: dict[str, ChainTarget]


def target_id(service: str, subset: str, datacenter: str, peer: str = "") -> str:
    """``[subset.]service.namespace.datacenter``; with a peer, the partition and the peer."""
    if peer:
        return f"{service}.{NAMESPACE}.{PARTITION}.external.{peer}"
    prefix = f"{subset}." if subset else ""
    return f"{prefix}{service}.{NAMESPACE}.{datacenter}"


def is_http_like(protocol: str) -> bool:
    """Whether requests of a protocol can be routed and split one by one."""
    return protocol in {"http", "http2", "grpc"}
