"""TLS of listeners and clusters, and the secrets that they name.

Certificates are secrets of their own, so that a renewed leaf or another root reaches Envoy without
a listener or a cluster being replaced under open connections.
"""

from typing import Final

from agent.mesh.xds.names import ADS, ROOTS, Json, extension
from proxy.api import ClientTls, ProxyConfig, ServerTls, TlsVersions

LOWEST_VERSION: Final = "TLSv1_2"


def secrets(config: ProxyConfig) -> list[Json]:
    """Every leaf and the roots."""
    leaves = [
        {
            "name": leaf_name(name),
            "tls_certificate": {
                "certificate_chain": {"inline_string": identity.certificates_pem},
                "private_key": {"inline_string": identity.private_key_pem},
            },
        }
        for name, identity in config.identities.items()
    ]
    trusted = {"trusted_ca": {"inline_string": "".join(config.roots_pem)}}
    return [*leaves, {"name": ROOTS, "validation_context": trusted}] if config.roots_pem else leaves


def leaf_name(identity: str) -> str:
    """The name of a leaf's secret."""
    return f"leaf:{identity}"


def server_socket(tls: ServerTls) -> Json:
    """The transport socket of a filter chain."""
    common: Json = {"tls_params": versions(tls.versions)}
    if tls.identity:
        common["tls_certificate_sds_secret_configs"] = [secret(leaf_name(tls.identity))]
    else:
        common["tls_certificates"] = [
            {
                "certificate_chain": {"inline_string": tls.certificates_pem},
                "private_key": {"inline_string": tls.private_key_pem},
            }
        ]
    if tls.mutual:
        common["validation_context_sds_secret_config"] = secret(ROOTS)
    if tls.alpn:
        common["alpn_protocols"] = list(tls.alpn)
    fields = {"common_tls_context": common, "require_client_certificate": tls.mutual}
    return extension("tls", "transport_sockets.tls.v3.DownstreamTlsContext", fields)


def client_socket(tls: ClientTls) -> Json:
    """The transport socket of endpoints."""
    common: Json = {"tls_params": versions(tls.versions)}
    if tls.identity:
        common["tls_certificate_sds_secret_configs"] = [secret(leaf_name(tls.identity))]
        names = [{"san_type": "URI", "matcher": {"exact": uri}} for uri in sorted(tls.peer_uris)]
        common["combined_validation_context"] = {
            "default_validation_context": {"match_typed_subject_alt_names": names},
            "validation_context_sds_secret_config": secret(ROOTS),
        }
    else:
        common |= _files(tls)
    if tls.alpn:
        common["alpn_protocols"] = list(tls.alpn)
    fields: Json = {"common_tls_context": common}
    if tls.server_name:
        fields["sni"] = tls.server_name
    return extension("tls", "transport_sockets.tls.v3.UpstreamTlsContext", fields)


def _files(tls: ClientTls) -> Json:
    """Certificates of a peer outside of the mesh, which Envoy reads by itself."""
    found: Json = {}
    if tls.cert_file:
        found["tls_certificates"] = [
            {
                "certificate_chain": {"filename": tls.cert_file},
                "private_key": {"filename": tls.key_file},
            }
        ]
    if tls.ca_file:
        context: Json = {"trusted_ca": {"filename": tls.ca_file}}
        if tls.server_name:
            context["match_typed_subject_alt_names"] = [
                {"san_type": "DNS", "matcher": {"exact": tls.server_name}}
            ]
        found["validation_context"] = context
    return found


def secret(name: str) -> Json:
    """A secret that comes over the same stream."""
    return {"name": name, "sds_config": ADS}


def versions(wanted: TlsVersions) -> Json:
    """Parameters of the handshake."""
    params: Json = {"tls_minimum_protocol_version": wanted.min or LOWEST_VERSION}
    if wanted.max:
        params["tls_maximum_protocol_version"] = wanted.max
    if wanted.ciphers:
        params["cipher_suites"] = list(wanted.ciphers)
    return params
