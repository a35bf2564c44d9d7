"""What the mesh entry says."""

import pytest

from agent.mesh.snapshot_options import (
    client_versions,
    http_options,
    openssl_name,
    server_versions,
    tls_versions,
)
from catalog.rows.config_entry.mesh import (
    IncomingHTTP,
    Mesh,
    MeshHTTP,
    MeshTLS,
    RequestNormalization,
)
from catalog.rows.config_entry.tls_settings import CIPHER_SUITES, TLSParameters
from proxy.api import HttpOptions, TlsVersions
from tests.agent.mesh.world import World


def test_without_an_entry_paths_are_normalised_and_peers_are_told() -> None:
    assert HttpOptions(forwarded_client_cert=True) == http_options(World().answers())
    assert TlsVersions() == server_versions(World().answers())


def test_requests_are_read_as_the_entry_says() -> None:
    plain = RequestNormalization(
        insecure_disable_path_normalization=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        headers_with_underscores_action="DROP_HEADER",
    )
    http = MeshHTTP(
        sanitize_x_forwarded_client_cert=True,
        incoming=IncomingHTTP(request_normalization=plain),
    )

    assert HttpOptions(
        normalize_path=False,
        merge_slashes=True,
        escaped_slashes="REJECT_REQUEST",
        headers_with_underscores="DROP_HEADER",
        sanitize_client_cert=True,
    ) == http_options(World(Mesh(http=http)).answers())


def test_directions_have_their_own_tls() -> None:
    entry = Mesh(
        tls=MeshTLS(
            incoming=TLSParameters(tls_min_version="TLSv1_3"),
            outgoing=TLSParameters(tls_max_version="TLSv1_2", cipher_suites=CIPHER_SUITES[:1]),
        )
    )

    assert TlsVersions(min="TLSv1_3") == server_versions(World(entry).answers())
    assert TlsVersions(max="TLSv1_2", ciphers=("ECDHE-ECDSA-AES128-GCM-SHA256",)) == (
        client_versions(World(entry).answers())
    )


def test_what_is_older_than_1_2_is_not_spoken() -> None:
    row = TLSParameters(tls_min_version="TLSv1_0", tls_max_version="TLS_AUTO")

    assert TlsVersions() == tls_versions(row)


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_openssl_knows_every_suite(suite: str) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(openssl_name(suite))

    assert openssl_name(suite) in {cipher["name"] for cipher in context.get_ciphers()}
