"""Top-level keys about this node: identity, addresses, checks and logs. Source: surface §5.2."""

from typing import Any

from agent.config.rules import (
    at_least,
    datacenter,
    dns_domain,
    log_level,
    node_id,
    node_meta,
    not_negative,
)
from agent.config.schema import LIVE, Section, computed, opt, section
from agent.config.sections_network import (
    Addresses,
    DNSConfig,
    HTTPConfig,
    Limits,
    Ports,
    UIConfig,
    UnixSockets,
)
from agent.config.sections_telemetry import Telemetry
from catalog.duration import HOUR, MINUTE, SECOND, Duration


class IdentityKeys(Section, frozen=True):
    """Who this agent is."""

    datacenter: str = opt("dc1", "Datacenter, lower-cased.", flag="-datacenter", check=datacenter)
    primary_datacenter: str = computed(
        "the datacenter", "Datacenter that owns ACLs, intentions and the authority."
    )
    node_name: str = computed("the host's name", "Unique name of this node.", flag="-node")
    node_id: str = opt(
        "", "UUID of this node; else kept in data_dir.", flag="-node-id", check=node_id
    )
    node_meta: dict[str, str] = opt(
        {}, "Pairs of the form key:value.", flag="-node-meta", reload=LIVE, check=node_meta
    )
    domain: str = opt("consul.", "Domain that DNS answers for.", flag="-domain", check=dns_domain)
    alt_domain: str = opt(
        "", "One more domain that DNS answers for.", flag="-alt-domain", check=dns_domain
    )
    data_dir: str = opt("", "Directory of the agent's state.", flag="-data-dir")
    server: bool = opt(False, "Be a server.", flag="-server")
    server_name: str = opt("", "Name in the certificate; else the node's name.")
    segment: str = opt("", "Network segment to join (not supported).", flag="-segment")


class AddressKeys(IdentityKeys, frozen=True):
    """Where this agent listens and what it tells others."""

    bind_addr: str = opt("0.0.0.0", "Address for the cluster's traffic.", flag="-bind")  # noqa: S104 - the documented default
    client_addr: str = opt(
        "127.0.0.1", "Addresses of the front doors, separated by spaces.", flag="-client"
    )
    advertise_addr: str = computed(
        "bind_addr, or the first private IPv4", "Address told to the cluster.", flag="-advertise"
    )
    advertise_addr_ipv4: str = opt("", "IPv4 address told to the cluster.")
    advertise_addr_ipv6: str = opt("", "IPv6 address told to the cluster.")
    advertise_addr_wan: str = computed(
        "advertise_addr", "Address told to other datacenters.", flag="-advertise-wan"
    )
    advertise_addr_wan_ipv4: str = opt("", "IPv4 address told to other datacenters.")
    advertise_addr_wan_ipv6: str = opt("", "IPv6 address told to other datacenters.")
    serf_lan: str = computed("bind_addr", "Address of the LAN gossip.", flag="-serf-lan-bind")
    serf_wan: str = computed("bind_addr", "Address of the WAN gossip.", flag="-serf-wan-bind")
    addresses: Addresses = section(Addresses, "Addresses of single doors.")
    ports: Ports = section(Ports, "Ports of all doors.")
    unix_sockets: UnixSockets = section(UnixSockets, "Owner and permissions of Unix sockets.")
    translate_wan_addrs: bool = opt(False, "Show WAN addresses of remote nodes.")
    recursors: tuple[str, ...] = opt(
        (), "DNS servers for other domains.", flag="-recursor", reload=LIVE
    )
    dns_config: DNSConfig = section(DNSConfig, "How DNS answers.", reload=LIVE)
    http_config: HTTPConfig = section(HTTPConfig, "How HTTP answers.")
    ui_config: UIConfig = section(UIConfig, "The web UI.")
    limits: Limits = section(Limits, "Limits on clients.")
    disable_http_unprintable_char_filter: bool = opt(False, "Accept any byte in paths.")
    enable_debug: bool = opt(False, "Serve profiles under /debug.")
    discovery_max_stale: Duration = opt(
        0, "Let any server answer discovery reads this old.", reload=LIVE, check=not_negative
    )
    default_query_time: Duration = opt(
        300 * SECOND,
        "Wait of a blocking query that names none.",
        flag="-default-query-time",
        check=at_least(1),
    )
    max_query_time: Duration = opt(
        600 * SECOND, "Longest wait of a blocking query.", flag="-max-query-time", check=at_least(1)
    )


class CheckKeys(AddressKeys, frozen=True):
    """Services, checks and watches of this agent."""

    services: tuple[dict[str, Any], ...] = opt((), "Services to register.", reload=LIVE)
    checks: tuple[dict[str, Any], ...] = opt((), "Checks to register.", reload=LIVE)
    watches: tuple[dict[str, Any], ...] = opt((), "Watches to run.", reload=LIVE)
    check_update_interval: Duration = opt(
        5 * MINUTE, "Delay of changes that touch only output.", check=not_negative
    )
    check_output_max_size: int = opt(
        4096, "Bytes of a check's output.", flag="-check_output_max_size", check=at_least(1)
    )
    discard_check_output: bool = opt(False, "Keep no output of checks.", reload=LIVE)
    enable_script_checks: bool = opt(
        False, "Run script checks from anywhere.", flag="-enable-script-checks"
    )
    enable_local_script_checks: bool = opt(
        False, "Run script checks from files.", flag="-enable-local-script-checks"
    )
    enable_agent_tls_for_checks: bool = opt(False, "Show the agent's certificate in checks.")
    disable_remote_exec: bool = opt(True, "Refuse `exec` of others.")
    session_ttl_min: Duration = opt(0, "Shortest TTL of a session; 0 means 10s.")


class LogKeys(CheckKeys, frozen=True):
    """Logs, metrics and the process."""

    log_level: str = opt(
        "INFO", "How much is logged.", flag="-log-level", reload=LIVE, check=log_level
    )
    log_json: bool = opt(False, "Log JSON.", flag="-log-json")
    log_file: str = opt("", "File, or directory with a trailing /, of logs.", flag="-log-file")
    log_rotate_duration: Duration = opt(
        24 * HOUR, "Age of a log file at rotation.", flag="-log-rotate-duration"
    )
    log_rotate_bytes: int = opt(
        0, "Bytes of a log file at rotation; 0: no limit.", flag="-log-rotate-bytes"
    )
    log_rotate_max_files: int = opt(
        0, "Old log files kept; 0 all, -1 none.", flag="-log-rotate-max-files", check=at_least(-1)
    )
    enable_syslog: bool = opt(False, "Log to syslog too.", flag="-syslog")
    syslog_facility: str = opt("LOCAL0", "Facility of syslog messages.")
    pid_file: str = opt("", "File that holds the process id.", flag="-pid-file")
    telemetry: Telemetry = section(Telemetry, "Metrics.")
    license_path: str = opt("", "License of other products (no effect).")
    snapshot_agent: dict[str, Any] = opt({}, "Settings of another product (no effect).")
    disable_update_check: bool = opt(False, "No effect: updates are never looked for.")
    disable_anonymous_signature: bool = opt(False, "No effect: nothing is sent home.")
