"""What the ``mesh`` config entry says: how requests are read, which TLS is spoken.

Source: Consul, mesh config entry.
"""

from typing import Final

from agent.mesh.watch_questions import Answers, Entry
from catalog.rows.config_entry.mesh import MESH, Mesh
from catalog.rows.config_entry.tls_settings import TLSParameters
from proxy.api import HttpOptions, TlsVersions

_KNOWN_VERSIONS: Final = ("TLSv1_2", "TLSv1_3")
_SUITE_PARTS: Final = (
    ("TLS_", ""),
    ("_WITH_", "-"),
    ("AES_128", "AES128"),
    ("AES_256", "AES256"),
    ("_CBC_SHA", "-SHA"),
    ("_POLY1305_SHA256", "-POLY1305"),
    ("_", "-"),
)
"""How a suite's name becomes OpenSSL's, piece by piece."""


def mesh_entry(answers: Answers) -> Mesh:
    """The entry; without one, its defaults."""
    for entry in answers.ask(Entry(MESH, MESH)) or ():
        if isinstance(entry, Mesh):
            return entry
    return Mesh()


def http_options(answers: Answers) -> HttpOptions:
    """How requests that come in from the mesh are read."""
    mesh = mesh_entry(answers)
    plain = mesh.normalization
    sanitize = mesh.http is not None and mesh.http.sanitize_x_forwarded_client_cert
    return HttpOptions(
        normalize_path=not plain.insecure_disable_path_normalization,
        merge_slashes=plain.merge_slashes,
        escaped_slashes=plain.path_with_escaped_slashes_action,
        headers_with_underscores=plain.headers_with_underscores_action,
        forwarded_client_cert=not sanitize,
        sanitize_client_cert=sanitize,
    )


def server_versions(answers: Answers) -> TlsVersions:
    """The TLS that proxies accept from peers."""
    tls = mesh_entry(answers).tls
    return tls_versions(tls.incoming if tls else None)


def client_versions(answers: Answers) -> TlsVersions:
    """The TLS that proxies dial peers with."""
    tls = mesh_entry(answers).tls
    return tls_versions(tls.outgoing if tls else None)


def tls_versions(row: TLSParameters | None) -> TlsVersions:
    """Versions and suites as a proxy knows them; what is older than 1.2 is not spoken."""
    if row is None:
        return TlsVersions()
    return TlsVersions(
        min=row.tls_min_version if row.tls_min_version in _KNOWN_VERSIONS else "",
        max=row.tls_max_version if row.tls_max_version in _KNOWN_VERSIONS else "",
        ciphers=tuple(map(openssl_name, row.cipher_suites or ())),
    )


def openssl_name(suite: str) -> str:
    """``TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`` as OpenSSL calls it."""
    for part, short in _SUITE_PARTS:
        suite = suite.replace(part, short)
    return suite
