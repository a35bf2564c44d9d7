"""DebugConfig of ``/v1/agent/self``: the running configuration in the real agent's flat names.

Durations are text, secrets are ``hidden``. Names follow 1.9, with the nested forms of 1.21 beside
them. Source: surface §1.1 and the field names of the real agent's runtime configuration.
"""

import math
import sys
from typing import Any, Final

from agent.config.addresses import Listen
from agent.config.reload import value_at
from agent.config.root import Root
from agent.config.runtime import RuntimeConfig
from agent.config.schema import Field, Kind, Section, fields_of, walk
from catalog.duration import format_duration

HIDDEN: Final = "hidden"

_WORDS: Final = {
    "acl": "ACL", "api": "API", "ca": "CA", "cidrs": "CIDRs", "dns": "DNS", "grpc": "GRPC",
    "http": "HTTP", "https": "HTTPS", "id": "ID", "ip": "IP", "json": "JSON", "kv": "KV",
    "lan": "LAN", "rpc": "RPC", "san": "SAN", "sans": "SANs", "soa": "SOA", "tls": "TLS",
    "ttl": "TTL", "udp": "UDP", "ui": "UI", "url": "URL", "wan": "WAN", "xds": "XDS",
}  # fmt: skip

_FLAT: Final = {
    "dns_config": "DNS",
    "http_config": "HTTP",
    "gossip_lan": "GossipLAN",
    "gossip_wan": "GossipWAN",
    "autopilot": "Autopilot",
    "auto_encrypt": "AutoEncrypt",
    "connect": "Connect",
    "limits": "",
    "performance": "",
    "acl": "ACL",
    "unix_sockets": "UnixSocket",
    "peering": "Peering",
}
"""Sections whose keys stand at the top, with what is put before their names."""

_NESTED: Final = {
    "telemetry": "Telemetry",
    "ui_config": "UIConfig",
    "cache": "Cache",
    "auto_config": "AutoConfig",
    "rpc": "RPCConfig",
    "xds": "XDS",
    "locality": "Locality",
    "raft_logstore": "RaftLogStoreConfig",
    "tls": "TLS",
}
"""Sections that are shown as objects, with their names."""

_NAMES: Final = {
    "acl.enabled": "ACLsEnabled",
    "acl.enable_token_replication": "ACLTokenReplication",
    "advertise_addr": "AdvertiseAddrLAN",
    "advertise_addr_wan": "AdvertiseAddrWAN",
    "alt_domain": "DNSAltDomain",
    "config_entries.bootstrap": "ConfigEntryBootstrap",
    "connect.enable_mesh_gateway_wan_federation": "ConnectMeshGatewayWANFederationEnabled",
    "connect.enable_serverless_plugin": "ConnectServerlessPluginEnabled",
    "dns_config.enable_additional_node_meta_txt": "DNSNodeMetaTXT",
    "domain": "DNSDomain",
    "enable_script_checks": "EnableRemoteScriptChecks",
    "encrypt": "EncryptKey",
    "http_config.allow_write_http_from": "AllowWriteHTTPFrom",
    "leave_on_terminate": "LeaveOnTerm",
    "limits.rpc_rate": "RPCRateLimit",
    "ports.dns": "DNSPort",
    "ports.expose_max_port": "ExposeMaxPort",
    "ports.expose_min_port": "ExposeMinPort",
    "ports.grpc": "GRPCPort",
    "ports.grpc_tls": "GRPCTLSPort",
    "ports.http": "HTTPPort",
    "ports.https": "HTTPSPort",
    "ports.serf_lan": "SerfPortLAN",
    "ports.serf_wan": "SerfPortWAN",
    "ports.server": "ServerPort",
    "ports.sidecar_max_port": "ConnectSidecarMaxPort",
    "ports.sidecar_min_port": "ConnectSidecarMinPort",
    "primary_gateways_interval": "PrimaryGatewaysInterval",
    "protocol": "RPCProtocol",
    "reconnect_timeout": "ReconnectTimeoutLAN",
    "recursors": "DNSRecursors",
    "retry_interval": "RetryJoinIntervalLAN",
    "retry_interval_wan": "RetryJoinIntervalWAN",
    "retry_join": "RetryJoinLAN",
    "retry_max": "RetryJoinMaxAttemptsLAN",
    "retry_max_wan": "RetryJoinMaxAttemptsWAN",
    "segment": "SegmentName",
    "serf_lan_allowed_cidrs": "SerfAllowedCIDRsLAN",
    "serf_wan_allowed_cidrs": "SerfAllowedCIDRsWAN",
    "server": "ServerMode",
    "skip_leave_on_interrupt": "SkipLeaveOnInt",
    "start_join": "StartJoinAddrsLAN",
    "start_join_wan": "StartJoinAddrsWAN",
    "telemetry.statsd_address": "StatsdAddr",
    "telemetry.statsite_address": "StatsiteAddr",
}
"""Keys whose shown name does not follow from their own."""

_LEFT_OUT: Final = frozenset({
    "acl.tokens", "addresses", "advertise_addr_ipv4", "advertise_addr_ipv6",
    "advertise_addr_wan_ipv4", "advertise_addr_wan_ipv6", "client_addr", "enable_syslog",
    "limits.request_limits", "log_file", "log_json", "log_level", "log_rotate_bytes",
    "log_rotate_duration", "log_rotate_max_files", "ports.proxy_max_port", "ports.proxy_min_port",
    "proxy", "serf_lan", "serf_wan", "snapshot_agent", "syslog_facility",
    "performance.raft_multiplier",
})  # fmt: skip
"""Keys that the real agent shows in another form, or not at all."""


def debug_config(config: RuntimeConfig) -> dict[str, Any]:
    """The object of ``DebugConfig``, keys sorted, ready for JSON."""
    shown: dict[str, Any] = {}
    for path, field in walk(Root):
        section, _, rest = path.rpartition(".")
        if any(f"{path}.".startswith(f"{out}.") for out in _LEFT_OUT):
            continue
        if section.split(".", 1)[0] in _NESTED:
            continue
        if path in _NESTED:
            assert field.nested is not None, "only sections are nested"
            shown[_NESTED[path]] = _object(value_at(config, path), field.nested, path)
        elif path in _NAMES:
            shown[_NAMES[path]] = _value(value_at(config, path), field, path)
        elif field.kind is Kind.SECTION and path == "dns_config.soa":
            soa = config.dns_config.soa
            shown["DNSSOA"] = {
                "Expire": soa.expire, "Minttl": soa.min_ttl,
                "Refresh": soa.refresh, "Retry": soa.retry,
            }  # fmt: skip
        elif field.kind is not Kind.SECTION and (not section or section in _FLAT):
            prefix = _FLAT.get(section, "")
            shown[prefix + camel(rest)] = _value(value_at(config, path), field, path)
    return dict(sorted((shown | _computed(config) | _second_forms(config)).items()))


def camel(name: str) -> str:
    """``http_max_conns_per_client`` as ``HTTPMaxConnsPerClient``."""
    return "".join(_WORDS.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


def _object(section: Section, kind: type[Section], path: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, field in fields_of(kind).items():
        inner = f"{path}.{name}"
        value = getattr(section, name)
        if field.kind is Kind.SECTION and field.nested is not None:
            shown[camel(name)] = _object(value, field.nested, inner)
        else:
            shown[_NAMES.get(inner, camel(name))] = _value(value, field, inner)
    return shown


def _value(value: Any, field: Field, path: str) -> Any:
    if field.option.secret:
        return HIDDEN if isinstance(value, str) else _hide_all(value)
    match field.kind:
        case Kind.DURATION:
            return format_duration(value)
        case Kind.DURATION_MAP:
            return {key: format_duration(item) for key, item in value.items()}
        case Kind.FLOAT:
            # JSON has no infinity: the largest number stands for "no limit", as in the real agent.
            return sys.float_info.max if math.isinf(value) else value
        case Kind.TEXTS if "join" in path:
            return [_hide_words(text) for text in value]
        case Kind.SECTIONS:
            assert field.nested is not None, "a section field names its section"
            return [_object(item, field.nested, path) for item in value]
        case Kind.OBJECTS | Kind.OBJECT:
            return _hide_secrets(value)
        case _:
            return _plain(value)


def _plain(value: Any) -> Any:
    """Tuples as lists."""
    return list(value) if isinstance(value, tuple) else value


def _hide_all(value: Any) -> Any:
    return {key: HIDDEN for key in value} if isinstance(value, dict) else [HIDDEN for _ in value]


def _hide_words(text: str) -> str:
    """``provider=aws secret_access_key=x`` with the secret's value hidden."""
    words = [word.partition("=") for word in text.split(" ")]
    return " ".join(
        f"{key}={HIDDEN}" if sign and _is_secret(key) else f"{key}{sign}{value}"
        for key, sign, value in words
    )


def _hide_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: HIDDEN if isinstance(item, str) and _is_secret(key) else _hide_secrets(item)
            for key, item in value.items()
        }
    return [_hide_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def _is_secret(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in ("token", "secret", "password", "key"))


def _computed(config: RuntimeConfig) -> dict[str, Any]:
    def places(listeners: tuple[Listen, ...]) -> list[str]:
        return [str(place) for place in listeners]

    dns = [str(Listen(net, *at[1:])) for net in ("tcp", "udp") for at in config.dns_addrs]
    return {
        "ClientAddrs": list(config.client_addrs),
        "DNSAddrs": dns,
        "DevMode": config.dev_mode,
        "GRPCAddrs": places(config.grpc_addrs),
        "GRPCTLSAddrs": places(config.grpc_tls_addrs),
        "HTTPAddrs": places(config.http_addrs),
        "HTTPSAddrs": places(config.https_addrs),
        "RPCAdvertiseAddr": str(config.rpc_advertise),
        "RPCBindAddr": str(config.rpc_addr),
        "SerfAdvertiseAddrLAN": str(config.serf_lan_advertise),
        "SerfAdvertiseAddrWAN": str(config.serf_wan_advertise or ""),
        "SerfBindAddrLAN": str(config.serf_lan_addr),
        "SerfBindAddrWAN": str(config.serf_wan_addr or ""),
        "TaggedAddresses": dict(config.tagged_addresses),
        "ConsulRaftElectionTimeout": format_duration(config.raft_timings.election_timeout),
        "ConsulRaftHeartbeatTimeout": format_duration(config.raft_timings.heartbeat_timeout),
        "ConsulRaftLeaderLeaseTimeout": format_duration(config.raft_timings.leader_lease_timeout),
        "ACLDisabledTTL": format_duration(config.internal.acl_disabled_ttl),
        "AEInterval": format_duration(config.internal.ae_interval),
        "CheckDeregisterIntervalMin": format_duration(
            config.internal.check_deregister_interval_min
        ),
        "CheckReapInterval": format_duration(config.internal.check_reap_interval),
        "SegmentLimit": config.internal.segment_limit,
        "SyncCoordinateIntervalMin": format_duration(config.internal.sync_coordinate_interval_min),
        "SyncCoordinateRateTarget": config.internal.sync_coordinate_rate_target,
    }


def _second_forms(config: RuntimeConfig) -> dict[str, Any]:
    """Groups that the real agent shows in its own shape, and the TLS names of 1.9."""
    rpc_tls, https_tls = config.tls.internal_rpc, config.tls.https
    suites = [suite for suite in rpc_tls.tls_cipher_suites.split(",") if suite]
    return {
        "ACLDatacenter": config.primary_datacenter,
        "ACLMasterToken": HIDDEN,
        "ACLInitialManagementToken": HIDDEN,
        "ACLTokens": {
            "ACLAgentMasterToken": HIDDEN,
            "ACLAgentRecoveryToken": HIDDEN,
            "ACLAgentToken": HIDDEN,
            "ACLDefaultToken": HIDDEN,
            "ACLReplicationToken": HIDDEN,
            "DataDir": config.data_dir,
            "EnablePersistence": config.acl.enable_token_persistence,
        },
        "Logging": {
            "EnableSyslog": config.enable_syslog,
            "LogFilePath": config.log_file,
            "LogJSON": config.log_json,
            "LogLevel": config.log_level,
            "LogRotateBytes": config.log_rotate_bytes,
            "LogRotateDuration": format_duration(config.log_rotate_duration),
            "LogRotateMaxFiles": config.log_rotate_max_files,
            "Name": "",
            "SyslogFacility": config.syslog_facility,
        },
        "CAFile": rpc_tls.ca_file,
        "CAPath": rpc_tls.ca_path,
        "CertFile": rpc_tls.cert_file,
        "KeyFile": HIDDEN,
        "TLSMinVersion": rpc_tls.tls_min_version,
        "TLSCipherSuites": suites,
        "VerifyIncoming": config.tls.defaults.verify_incoming,
        "VerifyIncomingHTTPS": https_tls.verify_incoming,
        "VerifyIncomingRPC": rpc_tls.verify_incoming,
        "VerifyOutgoing": rpc_tls.verify_outgoing,
        "VerifyServerHostname": rpc_tls.verify_server_hostname,
    }
