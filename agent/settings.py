"""From the configuration to the settings of each part: plain translations, nothing decided."""

import ipaddress
from collections.abc import Mapping

from agent.checks.settings import DOCKER_HOST, CheckSettings
from agent.config import RuntimeConfig
from agent.dns.settings import DnsSettings, SoaSettings
from agent.http.settings import HEAD_BYTES_MAX, HttpSettings
from agent.http.tls import checks_context
from agent.local.agent import LocalSettings
from agent.telemetry.log_file import Rotation
from agent.telemetry.logs import LogSettings
from agent.telemetry.metrics import NameFilter
from catalog.duration import SECOND


def http_settings(config: RuntimeConfig) -> HttpSettings:
    """What the HTTP front door goes by."""
    http, limits = config.http_config, config.limits
    return HttpSettings(
        datacenter=config.datacenter,
        node_name=config.node_name,
        always_pretty=config.dev_mode,
        translate_wan_addresses=config.translate_wan_addrs,
        response_headers=tuple(http.response_headers.items()),
        block_endpoints=tuple(http.block_endpoints),
        allow_write_from=tuple(
            ipaddress.ip_network(network, strict=False) for network in http.allow_write_http_from
        ),
        use_cache=http.use_cache,
        refuse_unprintable=not config.disable_http_unprintable_char_filter,
        ui_enabled=config.ui_config.enabled,
        kv_value_bytes_max=limits.kv_max_value_size,
        txn_body_bytes_max=limits.txn_max_req_len,
        head_bytes_max=http.max_header_bytes or HEAD_BYTES_MAX,
        connections_per_client_max=limits.http_max_conns_per_client,
    )


def dns_settings(config: RuntimeConfig) -> DnsSettings:
    """What the DNS front door goes by."""
    dns = config.dns_config
    return DnsSettings(
        domain=config.domain,
        alt_domain=config.alt_domain,
        datacenter=config.datacenter,
        node_name=config.node_name,
        recursors=tuple(config.recursors),
        recursor_timeout_s=dns.recursor_timeout / SECOND,
        recursor_strategy="random" if dns.recursor_strategy == "random" else "sequential",
        only_passing=dns.only_passing,
        node_ttl_s=dns.node_ttl // SECOND,
        service_ttl_s={name: ttl // SECOND for name, ttl in dns.service_ttl.items()},
        udp_answer_limit=dns.udp_answer_limit,
        a_record_limit=dns.a_record_limit,
        enable_truncate=dns.enable_truncate,
        disable_compression=dns.disable_compression,
        enable_additional_node_meta_txt=dns.enable_additional_node_meta_txt,
        translate_wan_addrs=config.translate_wan_addrs,
        soa=SoaSettings(
            refresh_s=dns.soa.refresh,
            retry_s=dns.soa.retry,
            expire_s=dns.soa.expire,
            min_ttl_s=dns.soa.min_ttl,
        ),
    )


def local_settings(config: RuntimeConfig) -> LocalSettings:
    """What registrations on this node go by."""
    return LocalSettings(
        node=config.node_name,
        sidecar_port_min=config.ports.sidecar_min_port,
        sidecar_port_max=config.ports.sidecar_max_port,
        enable_script_checks=config.enable_script_checks,
        enable_local_script_checks=config.enable_local_script_checks,
    )


def log_settings(config: RuntimeConfig) -> LogSettings:
    """Where the log goes and how much of it."""
    return LogSettings(
        level=config.log_level,
        as_json=config.log_json,
        syslog_facility=config.syslog_facility if config.enable_syslog else "",
        file=config.log_file,
        rotation=Rotation(
            duration_ns=config.log_rotate_duration,
            bytes_max=config.log_rotate_bytes,
            files_max=config.log_rotate_max_files,
        ),
    )


def check_settings(config: RuntimeConfig, environment: Mapping[str, str]) -> CheckSettings:
    """What all checks go by; DOCKER_HOST is read from the environment."""
    return CheckSettings(
        output_bytes_max=config.check_output_max_size,
        agent_tls=(lambda: checks_context(config)) if config.enable_agent_tls_for_checks else None,
        docker_host=environment.get("DOCKER_HOST", DOCKER_HOST),
    )


def name_filter(config: RuntimeConfig) -> NameFilter:
    """Which metrics are kept."""
    telemetry = config.telemetry
    return NameFilter(tuple(telemetry.prefix_filter), telemetry.filter_default)
