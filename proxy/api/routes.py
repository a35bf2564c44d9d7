"""Where a request goes, and what happens to it on the way. Source: Consul, service-router and
service-splitter; retries, mirrors and faults as in Envoy's route."""

from proxy.api.policy import HeaderMatch
from proxy.api.protocol import IDLE_TIMEOUT_S, REQUEST_TIMEOUT_S
from proxy.api.value import Value


class QueryMatch(Value, frozen=True, kw_only=True):
    """A condition on a parameter of the query; exactly one way of comparing is set."""

    name: str
    present: bool = False
    exact: str = ""
    regex: str = ""


class RouteMatch(Value, frozen=True, kw_only=True):
    """Which requests a route takes; all conditions must hold, none takes everything.

    ``hosts``: host names without port, ``*`` only as the leftmost label or alone.
    """

    hosts: tuple[str, ...] = ()
    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    ignore_case: bool = False
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[QueryMatch, ...] = ()
    methods: tuple[str, ...] = ()


class HeaderEdits(Value, frozen=True, kw_only=True):
    """Changes to headers on their way through: removed first, then set, then added."""

    add: tuple[tuple[str, str], ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class HashPolicy(Value, frozen=True, kw_only=True):
    """What of a request is hashed. ``ttl_s`` below 0: no cookie is made where none came."""

    header: str = ""
    cookie: str = ""
    cookie_path: str = ""
    cookie_ttl_s: float = -1.0
    query_param: str = ""
    source_ip: bool = False
    terminal: bool = False


class WeightedCluster(Value, frozen=True, kw_only=True):
    """A share of a route's requests. ``node``: the chain node that gave it, for explanations."""

    cluster: str
    weight: int = 10_000
    node: str = ""
    request_headers: HeaderEdits = HeaderEdits()
    response_headers: HeaderEdits = HeaderEdits()
    hash_policies: tuple[HashPolicy, ...] = ()


class RetryPolicy(Value, frozen=True, kw_only=True):
    """When a request is sent again, elsewhere if there is an elsewhere.

    ``on``: Consul's RetryOn words. ``count``: further attempts. A request that may have had an
    effect is never repeated: what is not idempotent is retried only if no byte of it was sent.
    """

    on: tuple[str, ...] = ()
    status_codes: tuple[int, ...] = ()
    count: int = 1
    per_try_timeout_s: float = 0.0
    back_off_s: float = 0.025
    back_off_max_s: float = 0.25


class Mirror(Value, frozen=True, kw_only=True):
    """A copy of a share of the requests; its answers are thrown away."""

    cluster: str
    percent: float = 100.0
    body_bytes_max: int = 1_048_576


class Fault(Value, frozen=True, kw_only=True):
    """Faults that are put in on purpose, for shares of the requests."""

    delay_s: float = 0.0
    delay_percent: float = 0.0
    abort_status: int = 0
    abort_percent: float = 0.0


class RateLimit(Value, frozen=True, kw_only=True):
    """A token bucket: ``per_second`` tokens flow in, at most ``burst`` are kept."""

    per_second: float
    burst: float


class Route(Value, frozen=True, kw_only=True):
    """Where requests that match go, and how. ``name`` is its chain node, ``router:web[0]``.

    ``timeout_from`` says which entry gave the timeout. TCP uses the first route's first cluster.
    """

    name: str
    match: RouteMatch = RouteMatch()
    clusters: tuple[WeightedCluster, ...]
    prefix_rewrite: str = ""
    timeout_s: float = REQUEST_TIMEOUT_S
    timeout_from: str = "default"
    idle_timeout_s: float = IDLE_TIMEOUT_S
    retry: RetryPolicy | None = None
    request_headers: HeaderEdits = HeaderEdits()
    response_headers: HeaderEdits = HeaderEdits()
    mirror: Mirror | None = None
    fault: Fault | None = None
    rate_limit: RateLimit | None = None
