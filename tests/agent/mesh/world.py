"""What a proxy's configuration is built from, made of config entries and instances."""

from collections.abc import Iterable
from typing import Any

from agent.mesh.settings import Place
from agent.mesh.snapshot import Subject, build
from agent.mesh.watch_questions import (
    Answers,
    Central,
    Chain,
    Entry,
    Gateways,
    Instances,
    Leaf,
    Linked,
    Members,
    Question,
    Revoked,
    Roots,
)
from catalog.chain import ChainEntries, GraphError, compile_chain
from catalog.queries.service_config import ServiceConfig
from catalog.rows.check import PASSING, CheckServiceNode, HealthCheck
from catalog.rows.config_entry import ConfigEntry, normalize
from catalog.rows.connect import CARoot, CARoots, IssuedCertificate
from catalog.rows.node import Node
from catalog.rows.service import (
    KIND_CONNECT_PROXY,
    ConnectProxy,
    NodeService,
    Upstream,
    Weights,
)
from proxy.api import ProxyConfig

TRUST_DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
DC1, DC2 = "dc1", "dc2"
PLACE = Place(
    node="node-a", datacenter=DC1, default_allow=False, default_reason="Default intention policy"
)
ROOT = CARoot(
    id="aa",
    name="root",
    serial_number=1,
    signing_key_id="bb",
    external_trust_domain="",
    not_before="",
    not_after="",
    root_cert="ROOT-PEM\n",
    active=True,
    private_key_type="ec",
    private_key_bits=256,
)
ROOTS = CARoots(active_root_id="aa", trust_domain=TRUST_DOMAIN, roots=(ROOT,))


def leaf(service: str, serial: str = "01") -> IssuedCertificate:
    """A certificate, with words in the place of PEM."""
    return IssuedCertificate(
        serial_number=serial,
        cert_pem=f"LEAF-OF-{service}\n",
        private_key_pem=f"KEY-OF-{service}\n",
        service=service,
        service_uri=uri(service),
        valid_after="2026-01-01T00:00:00Z",
        valid_before="2026-01-04T00:00:00Z",
    )


def uri(service: str, datacenter: str = DC1) -> str:
    """The identity of a service."""
    return f"spiffe://{TRUST_DOMAIN}/ns/default/dc/{datacenter}/svc/{service}"


def sni(service: str, datacenter: str = DC1, subset: str = "") -> str:
    """The name that TLS asks for."""
    prefix = f"{subset}." if subset else ""
    return f"{prefix}{service}.default.{datacenter}.internal.{TRUST_DOMAIN}"


def sidecar(
    service: str = "web",
    *upstreams: Upstream,
    config: dict[str, Any] | None = None,
    **proxy: Any,
) -> NodeService:
    """A sidecar on port 21000 for an application on port 8080."""
    return NodeService(
        kind=KIND_CONNECT_PROXY,
        id=f"{service}-sidecar-proxy",
        service=f"{service}-sidecar-proxy",
        port=21000,
        proxy=ConnectProxy(
            destination_service_name=service,
            destination_service_id=service,
            local_service_address="127.0.0.1",
            local_service_port=8080,
            upstreams=upstreams or None,
            config=config,
            **proxy,
        ),
    )


def upstream(name: str = "db", port: int = 9191, **rest: Any) -> Upstream:
    """An upstream that is dialled at a local port."""
    return Upstream(destination_type="service", destination_name=name, local_bind_port=port, **rest)


def instance(
    name: str,
    *,
    node: str = "node-b",
    address: str = "10.0.0.2",
    port: int = 21000,
    status: str = PASSING,
    datacenter: str = DC1,
    weights: Weights | None = None,
    meta: dict[str, str] | None = None,
) -> CheckServiceNode:
    """A sidecar of a service, with one check of its own."""
    service = NodeService(
        kind=KIND_CONNECT_PROXY,
        id=f"{name}-sidecar-proxy",
        service=f"{name}-sidecar-proxy",
        port=port,
        meta=meta,
        weights=weights or Weights(),
        proxy=ConnectProxy(destination_service_name=name),
    )
    return CheckServiceNode(
        node=Node(node=node, address=address, datacenter=datacenter),
        service=service,
        checks=(HealthCheck(node=node, check_id="c", status=status, service_id=service.id),),
    )


class World:
    """A cluster in a few lines: what every question finds."""

    def __init__(self, *entries: ConfigEntry) -> None:
        self.entries = [normalize(entry) for entry in entries]
        self.instances: dict[tuple[str, str], tuple[CheckServiceNode, ...]] = {}
        self.others: dict[Question[Any], object] = {}
        self.unknown: set[type] = set()

    def has(self, service: str, *rows: CheckServiceNode, datacenter: str = DC1) -> "World":
        """The instances of a service."""
        self.instances[service, datacenter] = rows
        return self

    def knows(self, question: Question[Any], answer: object) -> "World":
        """The answer to any other question."""
        self.others[question] = answer
        return self

    def lacks(self, *kinds: type) -> "World":
        """Questions of these kinds have no answer yet."""
        self.unknown.update(kinds)
        return self

    def answers(self) -> Answers:
        """What a build asks."""
        return Answers(self._answer)

    def build(self, service: NodeService, place: Place = PLACE) -> ProxyConfig | None:
        """What a proxy with this registration is told, if anything."""
        return build(Subject(registered=service), place, self.answers())

    def config(self, service: NodeService, place: Place = PLACE) -> ProxyConfig:
        """What a proxy with this registration is told."""
        found = self.build(service, place)
        assert found is not None
        return found

    def _answer(self, question: Question[Any]) -> object | None:
        if type(question) in self.unknown:
            return None
        if question in self.others:
            return self.others[question]
        match question:
            case Roots():
                return ROOTS
            case Revoked():
                return ()
            case Leaf(service=service):
                return leaf(service)
            case Entry(kind=kind, name=name):
                return tuple(_named(self.entries, kind, name))
            case Chain():
                return self._chain(question)
            case Instances(service=service, datacenter=datacenter):
                return self.instances.get((service, datacenter), ())
            case Central():
                return ServiceConfig()
            case Members() | Gateways() | Linked():
                return ()
            case _:
                return None

    def _chain(self, question: Chain) -> object | None:
        entries = ChainEntries.of(self.entries)
        try:
            return compile_chain(
                question.service,
                question.datacenter,
                TRUST_DOMAIN,
                entries,
                question.overrides,
            )
        except GraphError:
            return None


def _named(entries: Iterable[ConfigEntry], kind: str, name: str) -> Iterable[ConfigEntry]:
    return (entry for entry in entries if entry.kind == kind and entry.name == name)
