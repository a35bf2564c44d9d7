"""Tests of proxy/tls.py: contexts, whose keys stay nowhere."""

import os
import ssl
from pathlib import Path

import msgspec
import pytest

from proxy.api import ClientTls, ProxyConfig, ServerTls, TlsVersions
from proxy.connection import Peer
from proxy.tls import CONTEXTS_MAX, Contexts, CredentialsError
from tests.proxy.authority import Authority, uri_of


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def config(authority: Authority) -> ProxyConfig:
    return ProxyConfig(
        id="web",
        service="web",
        identities={"web": authority.leaf("web")},
        roots_pem=(authority.root_pem,),
    )


def test_context_is_made_once_for_the_same_content(authority: Authority) -> None:
    base = config(authority)
    contexts = Contexts(base)
    server = contexts.server(ServerTls(identity="web"))
    client = contexts.client(ClientTls(identity="web", peer_uris=(uri_of("a"),)), ())

    contexts.update(msgspec.structs.replace(base, index=7, revoked=("0a",)))

    assert server is contexts.server(ServerTls(identity="web"))
    assert server is not contexts.server(ServerTls(identity="web", alpn=("h2",)))
    # Whom it expects is checked after the handshake, so all clusters share it.
    assert client is contexts.client(ClientTls(identity="web", peer_uris=(uri_of("b"),)), ())
    assert client is not contexts.client(ClientTls(identity="web"), ("h2",))


def test_new_leaf_or_root_makes_a_new_context(authority: Authority) -> None:
    base = config(authority)
    contexts = Contexts(base)
    tls = ServerTls(identity="web")
    first = contexts.server(tls)

    contexts.update(msgspec.structs.replace(base, identities={"web": authority.leaf("web")}))
    renewed = contexts.server(tls)
    contexts.update(msgspec.structs.replace(base, roots_pem=(Authority().root_pem,)))
    rotated = contexts.server(tls)

    assert 3 == len({first, renewed, rotated})


def test_contexts_that_are_kept_are_bounded(authority: Authority) -> None:
    contexts = Contexts(config(authority))

    for number in range(CONTEXTS_MAX + 5):
        contexts.client(ClientTls(), (f"p{number}",))

    assert CONTEXTS_MAX == len(contexts._kept)


@pytest.mark.parametrize("tls", [ServerTls(), ServerTls(identity="gone")])
def test_missing_identity_is_named(authority: Authority, tls: ServerTls) -> None:
    with pytest.raises(CredentialsError):
        Contexts(config(authority)).server(tls)


@pytest.mark.parametrize("field", ["certificates_pem", "private_key_pem"])
@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_bad_pem_is_refused(authority: Authority, field: str, text: str) -> None:
    leaf = msgspec.structs.replace(authority.leaf("web"), **{field: text})
    contexts = Contexts(msgspec.structs.replace(config(authority), identities={"web": leaf}))

    with pytest.raises(CredentialsError):
        contexts.server(ServerTls(identity="web"))


def test_bad_roots_are_refused(authority: Authority) -> None:
    contexts = Contexts(msgspec.structs.replace(config(authority), roots_pem=("nonsense",)))

    with pytest.raises(CredentialsError):
        contexts.client(ClientTls(identity="web"), ())


def test_without_roots_nobody_is_believed(authority: Authority) -> None:
    contexts = Contexts(msgspec.structs.replace(config(authority), roots_pem=()))

    context = contexts.client(ClientTls(identity="web"), ())

    assert ssl.CERT_REQUIRED == context.verify_mode
    assert [] == context.get_ca_certs()


def test_versions_are_as_configured_and_never_below_1_2(authority: Authority) -> None:
    contexts = Contexts(config(authority))
    only_1_2 = TlsVersions(min="TLSv1_2", max="TLSv1_2", ciphers=("ECDHE-ECDSA-AES128-GCM-SHA256",))

    usual = contexts.server(ServerTls(identity="web"))
    older = contexts.server(ServerTls(identity="web", versions=only_1_2))
    newer = contexts.server(ServerTls(identity="web", versions=TlsVersions(min="TLSv1_3")))

    assert ssl.TLSVersion.TLSv1_2 == usual.minimum_version
    assert ssl.TLSVersion.TLSv1_2 == older.maximum_version
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in {each["name"] for each in older.get_ciphers()}
    assert ssl.TLSVersion.TLSv1_3 == newer.minimum_version


@pytest.mark.parametrize(
    "versions",
    [TlsVersions(ciphers=("NONSENSE",)), TlsVersions(min="SSLv3")],
    ids=["cipher", "version"],
)
def test_setting_that_openssl_does_not_know_is_refused(
    authority: Authority, versions: TlsVersions
) -> None:
    with pytest.raises(CredentialsError):
        Contexts(config(authority)).server(ServerTls(identity="web", versions=versions))


def test_given_pem_is_served(authority: Authority) -> None:
    leaf = authority.leaf("web")
    tls = ServerTls(
        certificates_pem=leaf.certificates_pem, private_key_pem=leaf.private_key_pem, mutual=False
    )

    context = Contexts(config(authority)).server(tls)

    assert ssl.CERT_NONE == context.verify_mode


def test_changed_file_makes_a_new_context(authority: Authority, tmp_path: Path) -> None:
    contexts = Contexts(config(authority))
    path = tmp_path / "ca.pem"
    tls = ClientTls(ca_file=str(path))
    path.write_text(authority.root_pem)
    first = contexts.client(tls, ())
    assert first is contexts.client(tls, ())

    path.write_text(authority.root_pem + Authority().root_pem)

    assert 2 == len(contexts.client(tls, ()).get_ca_certs())


@pytest.mark.parametrize("has_memory_files", [True, False])
def test_key_is_in_no_file_afterwards(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_memory_files: bool,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not has_memory_files:
        monkeypatch.delattr(os, "memfd_create")

    Contexts(config(authority)).server(ServerTls(identity="web"))

    assert [] == list(tmp_path.iterdir())


def test_revoked_serial_is_known_in_any_case(authority: Authority) -> None:
    contexts = Contexts(msgspec.structs.replace(config(authority), revoked=("0A:1B",)))

    assert contexts.is_revoked(Peer(uri="spiffe://a", serial="0a:1b"))
    assert not contexts.is_revoked(Peer(uri="spiffe://a", serial="0a:1c"))
