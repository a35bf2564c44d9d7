"""proxy-defaults: what all proxies start from. There is one such entry, named ``global``."""

from typing import Any, Final, Self

import msgspec
from typing_extensions import override

from catalog.rows.config_entry.entry import Entry
from catalog.rows.service import Expose, MeshGateway
from catalog.schema import Omit

PROXY_DEFAULTS: Final = "proxy-defaults"
GLOBAL: Final = "global"


class ProxyDefaults(Entry, frozen=True, kw_only=True, tag=PROXY_DEFAULTS):
    """``config`` is the proxy's own configuration; its ``protocol`` is every service's default."""

    config: dict[str, Any] | None = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    mode: Omit[str] = ""
    mutual_tls_mode: Omit[str] = ""

    @override
    def normalized(self) -> Self:
        return msgspec.structs.replace(self, name=GLOBAL)

    @property
    def protocol(self) -> str:
        """The protocol of services that name none; empty if not set."""
        protocol = (self.config or {}).get("protocol")
        return protocol if isinstance(protocol, str) else ""
