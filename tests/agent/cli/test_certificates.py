"""Claims about the certificates of agents."""

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.cli.certificates import (
    Agent,
    Authority,
    BadRequest,
    issuer_of,
    make_agent,
    make_authority,
)

NOW_S = 1_700_000_000.0
AUTHORITY = Authority(common_name="", days=10)
SERVER = Agent(common_name="server.dc1.consul", days=2, dns_names=("server.dc1.consul",))


def made(agent: Agent = SERVER, authority: Authority = AUTHORITY) -> x509.Certificate:
    pair = make_agent(agent, issuer_of(*make_authority(authority, NOW_S)), NOW_S)
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def test_an_agents_certificate_is_signed_by_its_authority_for_both_ends():
    authority = make_authority(AUTHORITY, NOW_S)
    pair = make_agent(SERVER, issuer_of(*authority), NOW_S)
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())

    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.certificate.encode())
    )
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(purposes)
    assert certificate.not_valid_after_utc.timestamp() == NOW_S + 2 * 86_400
    assert certificate.not_valid_before_utc.timestamp() == NOW_S - 60


def test_a_users_certificate_says_nothing_of_purposes():
    agent = Agent(common_name="c", days=1, dns_names=("c",), has_purposes=False)

    with pytest.raises(x509.ExtensionNotFound):
        made(agent).extensions.get_extension_for_class(x509.ExtendedKeyUsage)


def test_a_constrained_authority_signs_for_its_domains_only():
    authority = Authority(common_name="", days=1, permitted=("consul", "localhost"))

    assert made(SERVER, authority).subject
    with pytest.raises(BadRequest, match=r'may not sign for "x\.example", only for consul'):
        made(Agent(common_name="x", days=1, dns_names=("x.example",)), authority)


def test_an_authority_names_the_cluster_it_is_of():
    pair = make_authority(Authority(common_name="Ours", days=1, cluster_id="abc"), NOW_S)

    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://abc.consul"]
    assert certificate.subject.rfc4514_string() == "CN=Ours"


def test_the_key_of_another_authority_is_refused():
    one, other = make_authority(AUTHORITY, NOW_S), make_authority(AUTHORITY, NOW_S)

    with pytest.raises(BadRequest, match="not the one of the CA"):
        issuer_of(one.certificate, other.key)


def test_a_name_that_no_subject_holds_is_refused():
    with pytest.raises(BadRequest, match="64 characters"):
        made(Agent(common_name="n" * 65, days=1, dns_names=("n",)))
