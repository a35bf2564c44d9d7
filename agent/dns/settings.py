"""What the DNS front door is told by the configuration: one frozen value, replaced on reload.

Source: Consul's ``dns_config``, ``domain``, ``alt_domain``, ``recursors`` and
``translate_wan_addrs`` (https://developer.hashicorp.com/consul/docs/agent/config).
"""

from typing import Literal

import msgspec


class SoaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Timers of the SOA record, in seconds; ``min_ttl_s`` is its TTL too."""

    refresh_s: int = 3600
    retry_s: int = 600
    expire_s: int = 86400
    min_ttl_s: int = 0


class DnsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the DNS front door; TTLs are whole seconds, limits count records.

    ``domain`` and ``alt_domain`` may end in a dot and have any case. ``service_ttl_s`` maps an
    exact service name, ``prefix*`` or ``*`` to a TTL. ``recursors`` are ``address``,
    ``address:port`` or ``[ipv6]:port``. ``a_record_limit`` 0 means no limit.
    """

    domain: str = "consul."
    alt_domain: str = ""
    datacenter: str = "dc1"
    node_name: str = ""
    recursors: tuple[str, ...] = ()
    recursor_timeout_s: float = 2.0
    recursor_strategy: Literal["sequential", "random"] = "sequential"
    only_passing: bool = False
    node_ttl_s: int = 0
    service_ttl_s: dict[str, int] = {}
    udp_answer_limit: int = 3
    a_record_limit: int = 0
    enable_truncate: bool = False
    disable_compression: bool = False
    enable_additional_node_meta_txt: bool = True
    translate_wan_addrs: bool = False
    soa: SoaSettings = SoaSettings()

    def service_ttl(self, service: str) -> int:
        """Seconds for a service's records: the exact name, else the longest ``prefix*``."""
        name = service.lower()
        best, ttl_s = -1, 0
        for pattern, candidate_s in self.service_ttl_s.items():
            wanted = pattern.lower()
            if wanted == name:
                return candidate_s
            if wanted.endswith("*") and name.startswith(wanted[:-1]) and len(wanted) > best:
                best, ttl_s = len(wanted), candidate_s
        return ttl_s
