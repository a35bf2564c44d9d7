"""The settings of the HTTP front door, as one value that a reload replaces."""

import ipaddress
from typing import Final

import msgspec

HEAD_BYTES_MAX: Final = 1024 * 1024  # a head larger than this is an attack or a mistake
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes, times seconds. ``connections_per_client_max`` 0 means no limit."""

    datacenter: str
    node_name: str
    always_pretty: bool = False
    translate_wan_addresses: bool = False
    default_acl_policy: str = "allow"
    response_headers: tuple[tuple[str, str], ...] = ()
    block_endpoints: tuple[str, ...] = ()
    allow_write_from: tuple[Network, ...] = ()
    use_cache: bool = True
    refuse_unprintable: bool = True
    ui_enabled: bool = False
    kv_value_bytes_max: int = 512 * 1024
    txn_body_bytes_max: int = 512 * 1024
    snapshot_bytes_max: int = 1024 * 1024 * 1024
    head_bytes_max: int = HEAD_BYTES_MAX
    connections_per_client_max: int = 200
    head_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
