from agent.mesh.xds.tls import client_socket, secrets, server_socket, versions
from proxy.api import ClientTls, ServerTls, TlsVersions
from tests.agent.mesh.xds.xds_world import CONFIG


def test_leaves_and_roots_are_secrets() -> None:
    leaf, roots = secrets(CONFIG)

    assert "leaf:web" == leaf["name"]
    assert "root 1root 2" == roots["validation_context"]["trusted_ca"]["inline_string"]


def test_a_mesh_listener_demands_a_certificate() -> None:
    told = server_socket(ServerTls(identity="web"))["typed_config"]

    assert told["require_client_certificate"]
    assert "roots" == told["common_tls_context"]["validation_context_sds_secret_config"]["name"]


def test_a_mesh_peer_must_be_the_service_that_was_meant() -> None:
    tls = ClientTls(identity="web", server_name="api.sni", peer_uris=("spiffe://b", "spiffe://a"))

    told = client_socket(tls)["typed_config"]

    context = told["common_tls_context"]["combined_validation_context"]
    names = context["default_validation_context"]["match_typed_subject_alt_names"]
    assert ["spiffe://a", "spiffe://b"] == [name["matcher"]["exact"] for name in names]
    assert "api.sni" == told["sni"]


def test_a_peer_outside_of_the_mesh_is_checked_by_files() -> None:
    tls = ClientTls(ca_file="/ca", cert_file="/c", key_file="/k", server_name="db.example")

    common = client_socket(tls)["typed_config"]["common_tls_context"]

    (name,) = common["validation_context"]["match_typed_subject_alt_names"]
    assert ("DNS", "db.example") == (name["san_type"], name["matcher"]["exact"])
    assert "/k" == common["tls_certificates"][0]["private_key"]["filename"]


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    assert "TLSv1_2" == versions(TlsVersions())["tls_minimum_protocol_version"]
    assert "TLSv1_3" == versions(TlsVersions(min="TLSv1_3"))["tls_minimum_protocol_version"]
