from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256

from agent.connect import certificates
from agent.connect.certificates import BadPublicKey, Issuer, Life, Names, Subject
from agent.connect.keys import KeyKind, generate

NOW_S = 1_800_000_000.0
KIND = KeyKind("ec", 256)
ROOT_LIFE_S = 3650 * 86400.0
URI = "spiffe://x.consul/ns/default/dc/dc1/svc/web"


def make_issuer(name="root"):
    key = generate(KIND)
    subject = Subject(Names(uri="spiffe://x.consul"), name, key.public_key())
    pem = certificates.make_root(key, subject, 1, Life(NOW_S, ROOT_LIFE_S))
    return Issuer(certificates.parse_certificate(pem), key)


def make_leaf(issuer, lifetime_s=3600.0):
    names = Names(uri=URI, dns_names=("web.ingress.consul",), ip_addresses=("10.0.0.1", "::1"))
    subject = Subject(names, "web", generate(KIND).public_key())
    return certificates.parse_certificate(
        certificates.make_leaf(subject, issuer, 7, Life(NOW_S, lifetime_s))
    )


def test_leaf_is_trusted_under_its_root_and_under_no_other():
    issuer, other = make_issuer("a"), make_issuer("b")
    leaf = make_leaf(issuer)

    leaf.verify_directly_issued_by(issuer.certificate)

    with pytest.raises(ValueError, match="does not match"):
        leaf.verify_directly_issued_by(other.certificate)


def test_leaf_says_who_it_is_for_what_and_from_a_minute_ago():
    leaf = make_leaf(make_issuer())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert names.get_values_for_type(x509.DNSName) == ["web.ingress.consul"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    assert leaf.not_valid_before_utc.timestamp() == NOW_S - 60
    assert leaf.not_valid_after_utc.timestamp() == NOW_S + 3600
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_leaf_does_not_outlive_its_root():
    issuer = make_issuer()

    leaf = make_leaf(issuer, lifetime_s=20 * 365 * 86400.0)

    assert issuer.certificate.not_valid_after_utc == leaf.not_valid_after_utc


def test_cross_signed_root_leads_from_new_leaves_to_the_old_root():
    old, new = make_issuer("old"), make_issuer("new")
    leaf = make_leaf(new)

    crossed = certificates.parse_certificate(
        certificates.cross_sign(new.certificate, old, 3, NOW_S)
    )

    leaf.verify_directly_issued_by(crossed)
    crossed.verify_directly_issued_by(old.certificate)
    assert certificates.signing_key_id(new.certificate) == certificates.signing_key_id(crossed)


def test_intermediate_signs_leaves_and_does_not_outlive_its_root():
    issuer, key = make_issuer(), generate(KIND)
    subject = Subject(Names(uri="spiffe://x.consul"), "i", key.public_key())

    pem = certificates.make_intermediate(subject, issuer, 4, Life(NOW_S, 2 * ROOT_LIFE_S))

    intermediate = certificates.parse_certificate(pem)
    leaf = make_leaf(Issuer(intermediate, key))
    assert certificates.is_issued_by(leaf, intermediate)
    assert certificates.is_issued_by(intermediate, issuer.certificate)
    assert not certificates.is_issued_by(leaf, issuer.certificate)
    assert intermediate.not_valid_after_utc == issuer.certificate.not_valid_after_utc


def test_key_id_of_a_foreign_root_is_the_one_that_it_says():
    """OpenSSL and Vault number keys in another way, and compare what stands there."""
    key, name = generate(KIND), certificates.distinguished("foreign")
    said = x509.SubjectKeyIdentifier(b"\x01\x02")
    builder = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        5,
        datetime.fromtimestamp(NOW_S, UTC),
        datetime.fromtimestamp(NOW_S + 1e6, UTC),
    )
    foreign = builder.add_extension(said, critical=False).sign(key, SHA256())

    leaf = make_leaf(Issuer(foreign, key))
    crossed = certificates.parse_certificate(
        certificates.cross_sign(foreign, make_issuer("old"), 3, NOW_S)
    )

    assert certificates.signing_key_id(foreign) == "01:02"
    assert certificates.signed_by_key_id(leaf) == "01:02"
    assert certificates.signing_key_id(crossed) == "01:02"


def test_certificate_that_names_no_keys_has_one_all_the_same():
    key, name = generate(KIND), certificates.distinguished("plain")
    plain = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        5,
        datetime.fromtimestamp(NOW_S, UTC),
        datetime.fromtimestamp(NOW_S + 1e6, UTC),
    ).sign(key, SHA256())

    assert len(certificates.signing_key_id(plain)) == 95
    assert certificates.signed_by_key_id(plain) == ""


def test_keys_of_other_types_are_not_used():
    with pytest.raises(BadPublicKey, match="must be either 'ec' or 'rsa'"):
        certificates.usable(ed25519.Ed25519PrivateKey.generate().public_key())


def test_names_are_shown_as_pairs_of_digits():
    root = make_issuer()

    assert certificates.serial_text(8) == "08"
    assert certificates.serial_text(0x1A2B) == "1a:2b"
    assert len(certificates.fingerprint(root.certificate)) == 59
    assert certificates.rfc3339(datetime.fromtimestamp(NOW_S, UTC)) == "2027-01-15T08:00:00Z"
    assert certificates.chained(("a\n", " b")) == "a\nb\n"
    assert certificates.belongs(root.certificate, root.key)
