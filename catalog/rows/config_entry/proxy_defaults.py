"""proxy-defaults: what all proxies start from. There is one such entry, named ``global``."""

from typing import Any, Final, Self

import msgspec
from typing_extensions import override

from catalog.rows.config_entry.entry import Entry
from catalog.rows.config_entry.failover_policy import (
    FailoverPolicy,
    PrioritizeByLocality,
    validate_failover_policy,
    validate_locality,
)
from catalog.rows.config_entry.proxy_settings import (
    validate_access_logs,
    validate_expose,
    validate_extensions,
    validate_modes,
)
from catalog.rows.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    MeshGateway,
    TransparentProxy,
)
from catalog.schema import Omit

PROXY_DEFAULTS: Final = "proxy-defaults"
GLOBAL: Final = "global"


class ProxyDefaults(Entry, frozen=True, kw_only=True, tag=PROXY_DEFAULTS):
    """``config`` is the proxy's own configuration; its ``protocol`` is every service's default.

    Fields after ``expose`` came after 1.9.
    """

    config: dict[str, Any] | None = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    mode: Omit[str] = ""
    transparent_proxy: Omit[TransparentProxy | None] = None
    mutual_tls_mode: Omit[str] = ""
    access_logs: Omit[AccessLogs | None] = None
    envoy_extensions: Omit[tuple[EnvoyExtension, ...] | None] = None
    failover_policy: Omit[FailoverPolicy | None] = None
    prioritize_by_locality: Omit[PrioritizeByLocality | None] = None

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, name=GLOBAL)

    @property
    def protocol(self) -> str:
        """The protocol of services that name none; empty if not set."""
        protocol = (self.config or {}).get("protocol")
        return protocol if isinstance(protocol, str) else ""

    @override
    def validate(self) -> None:
        super().validate()
        validate_modes(self.mode, self.mutual_tls_mode, self.mesh_gateway, self.transparent_proxy)
        validate_access_logs(self.access_logs)
        validate_expose(self.expose)
        validate_extensions(self.envoy_extensions)
        validate_failover_policy("", self.failover_policy)
        validate_locality(self.prioritize_by_locality)
