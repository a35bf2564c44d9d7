"""A proxy that uses everything that its configuration can say."""

from proxy.api import (
    ClientTls,
    Cluster,
    Endpoint,
    EndpointGroup,
    Fault,
    FilterChain,
    HashPolicy,
    HeaderEdits,
    HeaderMatch,
    HttpOptions,
    Identity,
    Intention,
    Listener,
    Mirror,
    Permission,
    Policy,
    ProxyConfig,
    QueryMatch,
    RateLimit,
    RetryPolicy,
    Route,
    RouteMatch,
    ServerTls,
    TlsVersions,
    WeightedCluster,
)

IDENTITY = Identity(
    service="web",
    uri="spiffe://1.consul/ns/default/dc/dc1/svc/web",
    serial="0a",
    certificates_pem="certificates",
    private_key_pem="key",
    expires_at_s=1.5,
)
ROUTES = (
    Route(
        name="router:api[0]",
        match=RouteMatch(
            hosts=("api.example.com", "*.example.org"),
            path_prefix="/v1",
            headers=(
                HeaderMatch(name="x-a", present=True),
                HeaderMatch(name="x-b", suffix="z", ignore_case=True),
                HeaderMatch(name="x-c", regex="a+", invert=True),
            ),
            query=(QueryMatch(name="q", exact="1"), QueryMatch(name="r", present=True)),
            methods=("GET", "PUT"),
            ignore_case=True,
        ),
        clusters=(
            WeightedCluster(
                cluster="v1.api.default.dc1",
                weight=9000,
                request_headers=HeaderEdits(set=(("x-split", "v1"),), remove=("x-old",)),
                hash_policies=(
                    HashPolicy(header="x-user", terminal=True),
                    HashPolicy(cookie="session", cookie_ttl_s=0.0),
                    HashPolicy(source_ip=True),
                    HashPolicy(query_param="q"),
                ),
            ),
            WeightedCluster(cluster="v2.api.default.dc1", weight=1000),
        ),
        prefix_rewrite="/",
        timeout_s=3.5,
        retry=RetryPolicy(on=("5xx", "unheard-of"), status_codes=(409,), per_try_timeout_s=1.0),
        response_headers=HeaderEdits(add=(("x-served", "yes"),)),
        mirror=Mirror(cluster="v2.api.default.dc1", percent=12.5),
        fault=Fault(delay_s=0.1, delay_percent=1.0, abort_status=503, abort_percent=0.5),
        rate_limit=RateLimit(per_second=10, burst=20),
    ),
    Route(name="resolver:api", clusters=(WeightedCluster(cluster="v1.api.default.dc1"),)),
)
CONFIG = ProxyConfig(
    id="web-sidecar-proxy",
    service="web",
    identities={"web": IDENTITY},
    roots_pem=("root 1", "root 2"),
    listeners=(
        Listener(
            name="public",
            direction="inbound",
            address="0.0.0.0",
            port=21000,
            chains=(
                FilterChain(
                    tls=ServerTls(identity="web", versions=TlsVersions(min="TLSv1_3")),
                    protocol="http2",
                    destination="web",
                    policy=Policy(
                        destination="web",
                        intentions=(
                            Intention(
                                source="api",
                                precedence=9,
                                permissions=(Permission(allow=True, path_exact="/ok"),),
                            ),
                        ),
                    ),
                    routes=(Route(name="local", clusters=(WeightedCluster(cluster="app"),)),),
                    http=HttpOptions(forwarded_client_cert=True, merge_slashes=True),
                    rate_limit=RateLimit(per_second=5, burst=5),
                ),
            ),
        ),
        Listener(
            name="api",
            direction="outbound",
            path="/run/api.sock",
            mode=0o660,
            chains=(FilterChain(protocol="http", source="web", routes=ROUTES),),
        ),
        Listener(
            name="mesh",
            direction="gateway",
            address="0.0.0.0",
            port=8443,
            chains=(
                FilterChain(
                    server_names=("*.dc2.internal.1.consul",),
                    connections_max=5,
                    idle_timeout_s=60.0,
                    routes=(Route(name="dc2", clusters=(WeightedCluster(cluster="dc2"),)),),
                ),
            ),
        ),
    ),
    clusters={
        "app": Cluster(
            name="app",
            service="web",
            protocol="http2",
            groups=(EndpointGroup(target="app", endpoints=(Endpoint(id="a", path="/a.sock"),)),),
        ),
        "v1.api.default.dc1": Cluster(
            name="v1.api.default.dc1",
            service="api",
            connections_max=7,
            groups=(
                EndpointGroup(
                    target="v1",
                    tls=ClientTls(identity="web", server_name="api.sni", peer_uris=("spiffe://b",)),
                    endpoints=(Endpoint(id="n/1", address="10.0.0.1", port=1, weight=3),),
                ),
                EndpointGroup(
                    target="v2",
                    tls=ClientTls(identity="web", server_name="v2.sni", peer_uris=("spiffe://c",)),
                    endpoints=(Endpoint(id="n/2", address="10.0.0.2", port=2),),
                ),
            ),
        ),
        "v2.api.default.dc1": Cluster(name="v2.api.default.dc1", service="api"),
        "dc2": Cluster(
            name="dc2",
            service="",
            groups=(
                EndpointGroup(
                    target="dc2",
                    tls=ClientTls(ca_file="/ca.pem", cert_file="/c", key_file="/k"),
                    endpoints=(Endpoint(id="g", address="gateway.example", port=8443),),
                ),
            ),
        ),
    },
)
