"""From a registration and what is known of the cluster to all that its proxy is told.

Pure: ``build`` asks `Answers` for what it needs, which notes what was asked and what was missing.
Nothing is built without roots and the proxy's own certificate: there would be nobody to be.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from agent.mesh.settings import Place, ProxySettings, proxy_settings
from agent.mesh.snapshot_inbound import inbound
from agent.mesh.snapshot_options import client_versions
from agent.mesh.snapshot_upstreams import Dialler, outbound
from agent.mesh.watch_questions import Answers, Entry, Leaf, Revoked, Roots
from catalog.rows.config_entry import GLOBAL, PROXY_DEFAULTS, ProxyDefaults
from catalog.rows.connect import CARoots, IssuedCertificate
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    AccessLogs,
    NodeService,
)
from proxy.api import AccessLog, Cluster, Identity, Listener, ProxyConfig, Tracing

KINDS: Final = frozenset({KIND_CONNECT_PROXY})
"""Registrations that have a proxy."""


_LOG_KINDS: Final[dict[str, Literal["stdout", "stderr", "file"]]] = {
    "stdout": "stdout",
    "stderr": "stderr",
    "file": "file",
}


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy's registration: with central configuration filled in, and as it was registered."""

    service: NodeService
    registered: NodeService

    @classmethod
    def of(cls, service: NodeService) -> "Subject":
        """A registration of which only one form is known."""
        return cls(service=service, registered=service)


class Built(msgspec.Struct):
    """A configuration in the making."""

    listeners: list[Listener] = []
    clusters: dict[str, Cluster] = {}
    identities: dict[str, Identity] = {}


def build(subject: Subject, place: Place, answers: Answers) -> ProxyConfig | None:
    """All that a proxy is told; None while it would be nobody."""
    service = subject.service
    settings = proxy_settings(service.proxy.config)
    roots = answers.ask(Roots())
    if roots is None:
        return None
    built = Built()
    match service.kind:
        case "connect-proxy":
            is_somebody = _sidecar(subject, settings, place, roots, answers, built)
        case kind:
            raise AssertionError(kind)
    if not is_somebody:
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


def _sidecar(
    subject: Subject,
    settings: ProxySettings,
    place: Place,
    roots: CARoots,
    answers: Answers,
    built: Built,
) -> bool:
    """Fill in a sidecar; False if its certificate is not there."""
    name = subject.service.proxy.destination_service_name
    leaf = answers.ask(Leaf(name))
    if leaf is None:
        return False
    built.identities[name] = identity(leaf)
    into = inbound(subject.service, settings, place, roots, answers)
    dialler = Dialler(name, place, roots.trust_domain, client_versions(answers))
    out = outbound(subject.service, subject.registered, dialler, answers)
    built.listeners += (*into.listeners, *out.listeners)
    built.clusters |= into.clusters | out.clusters
    return True


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
