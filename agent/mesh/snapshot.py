"""From a registration and what is known of the cluster to all that its proxy is told.

Pure: ``build`` asks `Answers` for what it needs, which notes what was asked and what was missing.
Nothing is built without roots and the proxy's own certificate: there would be nobody to be.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from agent.mesh.settings import Place, ProxySettings, proxy_settings
from agent.mesh.snapshot_api_gateway import api_gateway, api_gateway_entry
from agent.mesh.snapshot_inbound import inbound
from agent.mesh.snapshot_ingress import dialling_of, dns_names, ingress, ingress_entry
from agent.mesh.snapshot_mesh_gateway import mesh_gateway
from agent.mesh.snapshot_options import client_versions
from agent.mesh.snapshot_terminating import terminating
from agent.mesh.snapshot_upstreams import Dialler, outbound
from agent.mesh.watch_questions import Answers, Central, Entry, Leaf, Revoked, Roots
from catalog.queries.service_config import Subject as GovernedBy
from catalog.queries.service_config import merge, subject_of
from catalog.rows.config_entry import GLOBAL, PROXY_DEFAULTS, ProxyDefaults
from catalog.rows.connect import CARoots, IssuedCertificate
from catalog.rows.service import (
    KIND_API_GATEWAY,
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    AccessLogs,
    ExposePath,
    NodeService,
)
from proxy.api import AccessLog, Cluster, Identity, Listener, ProxyConfig, Tracing

_LOG_KINDS: Final[dict[str, Literal["stdout", "stderr", "file"]]] = {
    "stdout": "stdout",
    "stderr": "stderr",
    "file": "file",
}


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy as it was registered, and the paths that it exposes because of checks."""

    registered: NodeService
    exposed: tuple[ExposePath, ...] = ()


class Built(msgspec.Struct):
    """A configuration in the making."""

    listeners: list[Listener] = msgspec.field(default_factory=list)
    clusters: dict[str, Cluster] = msgspec.field(default_factory=dict)
    identities: dict[str, Identity] = msgspec.field(default_factory=dict)


def build(subject: Subject, place: Place, answers: Answers) -> ProxyConfig | None:
    """All that a proxy is told; None while it would be nobody."""
    roots = answers.ask(Roots())
    service = _merged(subject, place, answers)
    if roots is None or service is None or not roots.active_root_id:
        return None  # a secondary datacenter has no roots before it has met the primary one
    settings = proxy_settings(service.proxy.config)
    built = Built()
    making = _Making(service, subject.registered, settings, place, roots, answers, built)
    if not _MAKERS[service.kind](making):
        return None
    return ProxyConfig(
        id=service.id,
        service=_name(service),
        kind=service.kind,
        datacenter=place.datacenter,
        node=place.node,
        identities=built.identities,
        roots_pem=roots_pem(roots),
        revoked=answers.ask(Revoked()) or (),
        listeners=tuple(built.listeners),
        clusters=built.clusters,
        access_log=_access_log(service, answers),
        tracing=_tracing(settings),
        drain_s=place.drain_s,
    )


def _merged(subject: Subject, place: Place, answers: Answers) -> NodeService | None:
    """The registration with what config entries fill in; None while that is not known.

    A proxy that was told less at first would speak another protocol for a moment.
    """
    service = subject.registered
    governed_by = _governed_by(service) if place.central else None
    if governed_by is not None:
        central = answers.ask(Central(governed_by))
        if central is None:
            return None
        service = merge(service, central)
    if not subject.exposed:
        return service
    expose = service.proxy.expose
    expose = replace(expose, paths=(*(expose.paths or ()), *subject.exposed))
    return replace(service, proxy=replace(service.proxy, expose=expose))


def _governed_by(service: NodeService) -> GovernedBy | None:
    """Whose config entries fill the gaps.

    A sidecar that names a service and no instance is shown as it was registered, as by Consul 1.9;
    but it has to speak as those expect who dial the service.
    """
    name = service.proxy.destination_service_name
    return subject_of(service) or (GovernedBy(name) if name else None)


class _Making(NamedTuple):
    """What a configuration is made from, and where it is filled in."""

    service: NodeService
    registered: NodeService
    settings: ProxySettings
    place: Place
    roots: CARoots
    answers: Answers
    built: Built


def _sidecar(of: _Making) -> bool:
    """Fill in a sidecar; False if its certificate is not there."""
    name = of.service.proxy.destination_service_name
    leaf = of.answers.ask(Leaf(name))
    if leaf is None:
        return False
    of.built.identities[name] = identity(leaf)
    into = inbound(of.service, of.settings, of.place, of.roots, of.answers)
    dialler = Dialler(name, of.place, of.roots.trust_domain, client_versions(of.answers))
    out = outbound(of.service, of.registered, dialler, of.answers)
    of.built.listeners += (*into.listeners, *out.listeners)
    of.built.clusters |= into.clusters | out.clusters
    return True


def _ingress(of: _Making) -> bool:
    """Fill in an ingress gateway; False if its certificate or its entry are not there."""
    name = of.service.service
    entry = ingress_entry(name, of.answers)
    if entry is None:
        return False
    leaf = of.answers.ask(Leaf(name, dns_names(entry, of.place)))
    if leaf is None:
        return False
    of.built.identities[name] = identity(leaf)
    dialling = dialling_of(name, of.place, of.roots.trust_domain, of.answers)
    made = ingress(of.service, of.settings, dialling, entry)
    of.built.listeners += made.listeners
    of.built.clusters |= made.clusters
    return True


def _terminating(of: _Making) -> bool:
    """Fill in a terminating gateway; it is somebody as soon as it is linked to somebody."""
    made = terminating(of.service, of.settings, of.place, of.roots, of.answers)
    of.built.identities |= {leaf.service: identity(leaf) for leaf in made.leaves}
    of.built.listeners.append(made.listener)
    of.built.clusters |= made.clusters
    return bool(made.leaves)


def _mesh_gateway(of: _Making) -> bool:
    """Fill in a mesh gateway, which shows no certificate to anybody."""
    trust_domain = of.roots.trust_domain
    made = mesh_gateway(of.service, of.settings, of.place, trust_domain, of.answers)
    of.built.listeners += made.listeners
    of.built.clusters |= made.clusters
    return True


def _api_gateway(of: _Making) -> bool:
    """Fill in an API gateway; False if its certificate or its entry are not there."""
    name = of.service.service
    entry, leaf = api_gateway_entry(name, of.answers), of.answers.ask(Leaf(name))
    if entry is None or leaf is None:
        return False
    of.built.identities[name] = identity(leaf)
    dialling = dialling_of(name, of.place, of.roots.trust_domain, of.answers)
    made = api_gateway(of.service, of.settings, dialling, entry)
    of.built.listeners += made.listeners
    of.built.clusters |= made.clusters
    return True


_MAKERS: Final[dict[str, Callable[[_Making], bool]]] = {
    KIND_CONNECT_PROXY: _sidecar,
    KIND_INGRESS_GATEWAY: _ingress,
    KIND_TERMINATING_GATEWAY: _terminating,
    KIND_MESH_GATEWAY: _mesh_gateway,
    KIND_API_GATEWAY: _api_gateway,
}
KINDS: Final = frozenset(_MAKERS)
"""Registrations that have a proxy."""


def _name(service: NodeService) -> str:
    """The service that a proxy speaks for."""
    return service.proxy.destination_service_name or service.service


def identity(leaf: IssuedCertificate) -> Identity:
    """A certificate as a proxy holds it."""
    return Identity(
        service=leaf.service,
        uri=leaf.service_uri,
        serial=leaf.serial_number,
        certificates_pem=leaf.cert_pem,
        private_key_pem=leaf.private_key_pem,
        expires_at_s=seconds_of(leaf.valid_before),
    )


def seconds_of(rfc3339: str) -> float:
    """Seconds since the epoch of a time as certificates show it; 0 if it cannot be read."""
    try:
        return datetime.fromisoformat(rfc3339).timestamp()
    except ValueError:
        return 0.0


def roots_pem(roots: CARoots) -> tuple[str, ...]:
    """All roots, the active one first: a peer's leaf may still be of an older one."""
    ordered = sorted(roots.roots, key=lambda root: (not root.active, root.id))
    return tuple(root.root_cert for root in ordered)


def _access_log(service: NodeService, answers: Answers) -> AccessLog | None:
    """The log of requests: the registration's, else the one of all proxies."""
    row: AccessLogs | None = service.proxy.access_logs
    if row is None:
        for entry in answers.ask(Entry(PROXY_DEFAULTS, GLOBAL)) or ():
            assert isinstance(entry, ProxyDefaults)
            row = entry.access_logs
    if row is None or not row.enabled:
        return None
    return AccessLog(
        kind=_LOG_KINDS.get(row.type, "stdout"),
        path=row.path,
        text_format=row.text_format,
        json_format=row.json_format,
    )


def _tracing(settings: ProxySettings) -> Tracing | None:
    if not settings.otlp_url:
        return None
    return Tracing(otlp_url=settings.otlp_url, sample_percent=settings.trace_sample_percent)
