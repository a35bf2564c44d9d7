"""A mesh of two proxies, front and back, as each side is told of it: leaves, ours, Envoy's.

    load ──► front's upstream port ══ mutual TLS ══► back's public port ──► backend

Both sides get the same leaves and the same rules: back lets front in and nobody else.
"""

import time
from pathlib import Path
from typing import Any

import msgspec

from agent.connect import certificates
from agent.connect.certificates import Issuer, Life, Names, Subject
from agent.connect.keys import EC, KeyKind, generate, to_pem
from proxy.api import (
    ClientTls,
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Identity,
    Intention,
    Listener,
    Policy,
    Protocol,
    ProxyConfig,
    Route,
    ServerTls,
    WeightedCluster,
)
from tests.system.agent_process import LOOPBACK

TRUST_DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
LIFETIME_S = 86_400.0
FRONT, BACK = "front", "back"
LOCAL_APP = "local_app"
BACK_TARGET = "back.default.dc1"
SNI = f"back.default.dc1.internal.{TRUST_DOMAIN}"
IDLE_TIMEOUT_S = 300.0


class Authority:
    """A root that signs leaves of services."""

    def __init__(self) -> None:
        key = generate(KeyKind(EC, 256))
        names = Names(uri=f"spiffe://{TRUST_DOMAIN}")
        life = Life(time.time(), 2 * LIFETIME_S)
        self.root_pem = certificates.make_root(
            key, Subject(names, "root", key.public_key()), 1, life
        )
        self._issuer = Issuer(certificates.parse_certificate(self.root_pem), key)
        self._serial = 1

    def leaf(self, service: str, lifetime_s: float = LIFETIME_S) -> Identity:
        """A new leaf with its key."""
        self._serial += 1
        key = generate(KeyKind(EC, 256))
        uri = service_uri(service)
        now_s = time.time()
        subject = Subject(Names(uri=uri), service, key.public_key())
        life = Life(now_s, lifetime_s)
        pem = certificates.make_leaf(subject, self._issuer, self._serial, life)
        return Identity(
            service=service,
            uri=uri,
            serial=certificates.serial_text(self._serial),
            certificates_pem=pem,
            private_key_pem=to_pem(key),
            expires_at_s=now_s + lifetime_s,
        )


def service_uri(service: str) -> str:
    """The SPIFFE id of a service."""
    return f"spiffe://{TRUST_DOMAIN}/ns/default/dc/dc1/svc/{service}"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for both pairs. Ports are of loopback."""

    front: Identity
    back: Identity
    root_pem: str
    backend_port: int
    upstream_port: int
    public_port: int
    protocol: Protocol = "tcp"


# As ours are told.


def front_config(world: World) -> ProxyConfig:
    """The caller's sidecar: plain from the application, mutual TLS to back."""
    tls = ClientTls(identity=FRONT, server_name=SNI, peer_uris=(service_uri(BACK),))
    endpoint = Endpoint(id="node/back-sidecar-proxy", address=LOOPBACK, port=world.public_port)
    cluster = Cluster(
        name=BACK_TARGET,
        service=BACK,
        protocol=world.protocol,
        groups=(EndpointGroup(target=BACK_TARGET, tls=tls, endpoints=(endpoint,)),),
    )
    chain = FilterChain(
        protocol=world.protocol,
        source=FRONT,
        destination=BACK,
        routes=(route(f"resolver:{BACK_TARGET}", BACK_TARGET),),
    )
    return config(world, world.front, listener("outbound", world.upstream_port, chain), cluster)


def back_config(world: World) -> ProxyConfig:
    """The callee's sidecar: mutual TLS from front, plain to the backend."""
    endpoint = Endpoint(id="local", address=LOOPBACK, port=world.backend_port)
    cluster = Cluster(
        name=LOCAL_APP,
        service=BACK,
        protocol=world.protocol,
        groups=(EndpointGroup(target=LOCAL_APP, endpoints=(endpoint,)),),
        outlier=None,
    )
    policy = Policy(
        destination=BACK,
        intentions=(Intention(source=FRONT, precedence=9, allow=True, name="front => back"),),
        trust_domains=(TRUST_DOMAIN,),
    )
    chain = FilterChain(
        tls=ServerTls(identity=BACK),
        protocol=world.protocol,
        destination=BACK,
        policy=policy,
        routes=(route("local", LOCAL_APP),),
    )
    return config(world, world.back, listener("inbound", world.public_port, chain), cluster)


def route(name: str, cluster: str) -> Route:
    """Everything to one cluster."""
    return Route(name=name, clusters=(WeightedCluster(cluster=cluster),))


def listener(direction: Any, port: int, chain: FilterChain) -> Listener:
    """One port of loopback."""
    name = f"{direction}:{port}"
    return Listener(name=name, direction=direction, address=LOOPBACK, port=port, chains=(chain,))


def config(world: World, identity: Identity, at: Listener, cluster: Cluster) -> ProxyConfig:
    """All of one sidecar."""
    service = identity.service
    return ProxyConfig(
        id=f"{service}-sidecar-proxy",
        service=service,
        datacenter="dc1",
        node="node",
        index=1,
        identities={service: identity},
        roots_pem=(world.root_pem,),
        listeners=(at,),
        clusters={cluster.name: cluster},
    )


# As Envoy is told. Source: Envoy v3 API.


def envoy_front(world: World) -> dict[str, Any]:
    """The caller's sidecar."""
    transport = {
        "name": "tls",
        "typed_config": {
            "@type": of_type("transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": SNI,
            "common_tls_context": common_tls(world, world.front, service_uri(BACK)),
        },
    }
    cluster = envoy_cluster(BACK_TARGET, world.public_port) | {"transport_socket": transport}
    return envoy(world.upstream_port, chain_of(world, BACK_TARGET, []), cluster)


def envoy_back(world: World) -> dict[str, Any]:
    """The callee's sidecar."""
    principal = {"authenticated": {"principal_name": {"exact": service_uri(FRONT)}}}
    rules = {"policies": {"front": {"permissions": [{"any": True}], "principals": [principal]}}}
    chain = chain_of(world, LOCAL_APP, [rules]) | {
        "transport_socket": {
            "name": "tls",
            "typed_config": {
                "@type": of_type("transport_sockets.tls.v3.DownstreamTlsContext"),
                "require_client_certificate": True,
                "common_tls_context": common_tls(world, world.back, None),
            },
        }
    }
    return envoy(world.public_port, chain, envoy_cluster(LOCAL_APP, world.backend_port))


def envoy(port: int, chain: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    """A whole bootstrap."""
    at = {"socket_address": {"address": LOOPBACK, "port_value": port}}
    return {
        "static_resources": {
            "listeners": [{"name": "listener", "address": at, "filter_chains": [chain]}],
            "clusters": [cluster],
        }
    }


def envoy_cluster(name: str, port: int) -> dict[str, Any]:
    """One endpoint of loopback."""
    at = {"socket_address": {"address": LOOPBACK, "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": at}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def chain_of(world: World, cluster: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """The filters of a connection, with access rules where there are any."""
    if world.protocol == "tcp":
        kind = "network.rbac.v3.RBAC"
        filters = [named("rbac", kind, {"rules": rule, "stat_prefix": "rbac"}) for rule in rules]
        proxy = {"stat_prefix": "tcp", "cluster": cluster}
        return {"filters": [*filters, named("tcp", "network.tcp_proxy.v3.TcpProxy", proxy)]}
    kind = "http.rbac.v3.RBAC"
    filters = [named("rbac", kind, {"rules": rule}) for rule in rules]
    filters.append(named("router", "http.router.v3.Router", {}))
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]
    http = {
        "stat_prefix": "http",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
        "http_filters": filters,
    }
    kind = "network.http_connection_manager.v3.HttpConnectionManager"
    return {"filters": [named("http", kind, http)]}


def named(name: str, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A filter of Envoy."""
    return {"name": name, "typed_config": {"@type": of_type(f"filters.{kind}")} | fields}


def of_type(name: str) -> str:
    """The URL of a type of Envoy's extensions."""
    return f"type.googleapis.com/envoy.extensions.{name}"


def common_tls(world: World, identity: Identity, peer_uri: str | None) -> dict[str, Any]:
    """A leaf, the root, and whom to expect."""
    trusted: dict[str, Any] = {"trusted_ca": {"inline_string": world.root_pem}}
    if peer_uri:
        trusted["match_typed_subject_alt_names"] = [
            {"san_type": "URI", "matcher": {"exact": peer_uri}}
        ]
    certificate = {
        "certificate_chain": {"inline_string": identity.certificates_pem},
        "private_key": {"inline_string": identity.private_key_pem},
    }
    return {"tls_certificates": [certificate], "validation_context": trusted}


def write_envoy(folder: Path, name: str, bootstrap: dict[str, Any]) -> Path:
    """A bootstrap as a file."""
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.encode(bootstrap))
    return path
