"""All of one proxy."""

from typing import Literal

import msgspec

from proxy.api.clusters import Cluster
from proxy.api.identity import Identity
from proxy.api.listeners import Listener
from proxy.api.value import Value


class AccessLog(Value, frozen=True, kw_only=True):
    """``kind``: stdout, stderr or file; text with ``%NAME%`` operators, or JSON of the fields."""

    kind: Literal["stdout", "stderr", "file"] = "stdout"
    path: str = ""
    text_format: str = ""
    json_format: str = ""


class Tracing(Value, frozen=True, kw_only=True):
    """Where spans go (an OTLP/HTTP URL; empty: nowhere) and what share of new traces is kept."""

    otlp_url: str = ""
    sample_percent: float = 100.0
    headers: tuple[tuple[str, str], ...] = ()


class ProxyConfig(Value, frozen=True, kw_only=True):
    """Everything about one proxy: a sidecar or a gateway of this host.

    ``index``: of the catalog that it was made from. ``revoked``: serials of leaves that are
    refused whatever they say, on open connections too. ``roots_pem``: all roots to believe.
    """

    id: str
    service: str
    kind: str = "connect-proxy"
    datacenter: str = ""
    node: str = ""
    index: int = 0
    identities: dict[str, Identity] = msgspec.field(default_factory=dict)
    roots_pem: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    clusters: dict[str, Cluster] = msgspec.field(default_factory=dict)
    access_log: AccessLog | None = None
    tracing: Tracing | None = None
    drain_s: float = 30.0
