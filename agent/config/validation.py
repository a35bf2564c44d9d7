"""Rules between keys, judged on the whole configuration. Source: surface §5.2, highlights."""

import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.config.addresses import ANY_ADDRESSES, Listen, overlap
from agent.config.runtime import RuntimeConfig
from agent.config.tree import Block, ConfigError
from catalog.errors import Invalid


class Complaint(NamedTuple):
    """What is wrong, and with which key."""

    path: str
    message: str


def validate_whole(config: RuntimeConfig, tree: Block) -> tuple[str, ...]:
    """Warnings about a usable configuration; raises ConfigError for the first broken rule."""
    for rule in _RULES:
        for complaint in rule(config):
            raise ConfigError(
                complaint.message,
                path=_shown_path(complaint),
                origin=tree.origin_of(complaint.path),
            )
    return tuple(_warnings(config))


def _shown_path(complaint: Complaint) -> str:
    """The key, unless the message names it already."""
    return "" if complaint.path in complaint.message else complaint.path


def _data_dir(config: RuntimeConfig) -> Iterator[Complaint]:
    if config.dev_mode:
        return
    if not config.data_dir:
        yield Complaint("data_dir", "data_dir cannot be empty")
        return
    path = Path(config.data_dir)
    try:
        if path.exists() and not path.is_dir():
            yield Complaint("data_dir", f'data_dir "{config.data_dir}" is not a directory')
    except (OSError, ValueError) as error:
        yield Complaint("data_dir", f"data_dir cannot be used: {error}")


def _identity(config: RuntimeConfig) -> Iterator[Complaint]:
    if not config.node_name.strip():
        yield Complaint("node_name", "node_name cannot be empty")
    if config.segment or config.segments:
        path = "segment" if config.segment else "segments"
        yield Complaint(path, "Network segments are not supported in this version of Consul")


def _bootstrap(config: RuntimeConfig) -> Iterator[Complaint]:
    if config.bootstrap and not config.server:
        yield Complaint("bootstrap", "'bootstrap = true' requires 'server = true'")
    if config.bootstrap_expect > 0:
        path = "bootstrap_expect"
        if not config.server:
            yield Complaint(path, "'bootstrap_expect > 0' requires 'server = true'")
        if config.dev_mode:
            yield Complaint(path, "'bootstrap_expect > 0' not allowed in dev mode")
        if config.bootstrap:
            yield Complaint(
                path, "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive"
            )
    if config.read_replica and not config.server:
        yield Complaint("read_replica", "'read_replica = true' requires 'server = true'")
    if config.advertise_reconnect_timeout and config.server:
        yield Complaint("advertise_reconnect_timeout", "can only be used on a client")


def _ports(config: RuntimeConfig) -> Iterator[Complaint]:
    ports = config.ports
    for path, value in (("server", ports.server), ("serf_lan", ports.serf_lan)):
        if value == 0:
            yield Complaint(f"ports.{path}", "must be a port from 1 to 65535, not 0")
    for name in ("proxy", "sidecar", "expose"):
        low, high = getattr(ports, f"{name}_min_port"), getattr(ports, f"{name}_max_port")
        if low > high:
            yield Complaint(
                f"ports.{name}_min_port", f"{low} is above ports.{name}_max_port {high}"
            )
    used: list[tuple[str, Listen]] = []
    for name, places in _doors(config):
        for place in places:
            for other, taken in used:
                if other != name and overlap(place, taken):
                    yield Complaint(f"ports.{name}", f"{place} is used by ports.{other} too")
            used.append((name, place))


def _doors(config: RuntimeConfig) -> Iterator[tuple[str, tuple[Listen, ...]]]:
    yield "server", (config.rpc_addr,)
    yield "serf_lan", (config.serf_lan_addr,)
    if config.serf_wan_addr is not None:
        yield "serf_wan", (config.serf_wan_addr,)
    yield "dns", config.dns_addrs
    yield "http", config.http_addrs
    yield "https", config.https_addrs
    yield "grpc", config.grpc_addrs
    yield "grpc_tls", config.grpc_tls_addrs


def _dns(config: RuntimeConfig) -> Iterator[Complaint]:
    for recursor in config.recursors:
        host = _host_of(recursor)
        if host in ANY_ADDRESSES:
            yield Complaint("recursors", "DNS recursor address cannot be 0.0.0.0, :: or [::]")
        elif not host:
            yield Complaint("recursors", f"must hold IP addresses, port allowed, not {recursor!r}")
    if config.alt_domain and config.alt_domain.rstrip(".") == config.domain.rstrip("."):
        yield Complaint("alt_domain", "must differ from domain")


def _host_of(text: str) -> str:
    """The host of ``1.2.3.4``, ``1.2.3.4:53``, ``::1`` or ``[::1]:53``; empty if it is none."""
    host, colon, port = text.rpartition(":")
    with_port = colon and port.isascii() and port.isdigit() and int(port[:6]) <= 65535
    for candidate in (text, host if with_port else ""):
        try:
            return str(ipaddress.ip_address(candidate.removeprefix("[").removesuffix("]")))
        except ValueError:
            continue
    return ""


def _ui(config: RuntimeConfig) -> Iterator[Complaint]:
    ui = config.ui_config
    # -dev turns the bundled UI on by itself, which is no contradiction.
    if ui.enabled and ui.dir and not config.dev_mode:
        yield Complaint("ui_config.dir", "excludes ui_config.enabled, set only one of them")
    if ui.metrics_proxy.base_url == "" and ui.metrics_proxy.add_headers:
        yield Complaint("ui_config.metrics_proxy.base_url", "must be set to add headers")


def _tls(config: RuntimeConfig) -> Iterator[Complaint]:
    automatic = config.auto_encrypt.tls or config.auto_config.enabled
    for name in ("internal_rpc", "https", "grpc"):
        tls = getattr(config.tls, name)
        authority = bool(tls.ca_file or tls.ca_path)
        path = f"tls.{name}"
        if bool(tls.cert_file) != bool(tls.key_file):
            yield Complaint(path, "cert_file and key_file must be set together")
        if tls.verify_incoming and not authority:
            yield Complaint(
                f"{path}.verify_incoming", "VerifyIncoming set, and no CA certificate provided!"
            )
        if tls.verify_incoming and not tls.cert_file and not automatic:
            yield Complaint(
                f"{path}.verify_incoming",
                "VerifyIncoming requires either a Cert and Key pair in the configuration file, "
                "or auto_encrypt/auto_config be enabled",
            )
        if tls.verify_outgoing and not authority and name == "internal_rpc":
            yield Complaint(
                f"{path}.verify_outgoing", "VerifyOutgoing set, and no CA certificate provided!"
            )
    if config.auto_encrypt.tls and config.server:
        yield Complaint("auto_encrypt.tls", "auto_encrypt.tls can only be used on a client")
    if config.auto_encrypt.allow_tls and not config.server:
        yield Complaint(
            "auto_encrypt.allow_tls", "auto_encrypt.allow_tls can only be used on a server"
        )
    if config.auto_encrypt.allow_tls and not config.connect.enabled:
        yield Complaint("auto_encrypt.allow_tls", "requires connect.enabled = true")


def _connect(config: RuntimeConfig) -> Iterator[Complaint]:
    federation = config.connect.enable_mesh_gateway_wan_federation
    path = "connect.enable_mesh_gateway_wan_federation"
    if federation and not config.connect.enabled:
        yield Complaint(path, "requires connect.enabled = true")
    if federation and config.server and set(config.node_name) & {"/", "."}:
        yield Complaint(path, "requires a node_name without / or .")
    if config.primary_gateways and not federation:
        yield Complaint("primary_gateways", f"requires {path} = true")
    if config.primary_gateways and config.primary_datacenter == config.datacenter:
        yield Complaint("primary_gateways", "can only be used in a secondary datacenter")
    for index, entry in enumerate(config.config_entries.bootstrap):
        fault = _entry_fault(entry)
        if fault:
            yield Complaint("config_entries.bootstrap", f"entry {index} {fault}")


def _entry_fault(entry: dict[str, Any]) -> str:
    """Why a new leader could not write an entry; empty if it can."""
    if not any(key.lower() == "kind" and value for key, value in entry.items()):
        return "needs a kind"
    # Only here: most agents never see one.
    from catalog.rows.config_entry import decode_entry, normalize, validate

    try:
        validate(normalize(decode_entry(entry)))
    except Invalid as refused:
        return f"is invalid: {refused}"
    return ""


def _definitions(config: RuntimeConfig) -> Iterator[Complaint]:
    for path, definitions in (("services", config.services), ("checks", config.checks)):
        seen: set[str] = set()
        for definition in definitions:
            name = _definition_id(definition)
            if name in seen:
                yield Complaint(path, f"duplicate definition {name!r}")
            seen.add(name)


def _definition_id(definition: dict[str, object]) -> str:
    """The id of a service or check; the name stands for a missing one."""
    spelt = {key.lower().replace("_", ""): value for key, value in definition.items()}
    own = spelt.get("id") or spelt.get("checkid") or spelt.get("name")
    scope = spelt.get("serviceid", "")
    return f"{scope}/{own}" if scope else str(own)


_RULES: Final[tuple[Callable[[RuntimeConfig], Iterator[Complaint]], ...]] = (
    _data_dir,
    _identity,
    _bootstrap,
    _ports,
    _dns,
    _ui,
    _tls,
    _connect,
    _definitions,
)


def _warnings(config: RuntimeConfig) -> Iterator[str]:
    if config.bootstrap and not config.dev_mode:
        yield "bootstrap = true: do not enable unless necessary"
    if config.bootstrap_expect == 2:
        yield "a cluster with 2 servers will provide no failure tolerance"
    elif config.bootstrap_expect > 2 and config.bootstrap_expect % 2 == 0:
        yield "a cluster with an even number of servers tolerates no more than one less"
    open_writes = not config.acl.enabled and not config.http_config.allow_write_http_from
    if config.enable_script_checks and open_writes:
        yield (
            "enable_script_checks without ACLs and without http_config.allow_write_http_from "
            "lets anyone who reaches the API run commands; use enable_local_script_checks"
        )
