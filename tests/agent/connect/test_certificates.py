from datetime import UTC, datetime

import pytest
from cryptography import x509

from agent.connect import certificates
from agent.connect.certificates import BadRequestForCertificate, Issuer, Subject
from agent.connect.keys import KeyKind, generate

NOW_S = 1_800_000_000.0
KIND = KeyKind("ec", 256)
URI = "spiffe://x.consul/ns/default/dc/dc1/svc/web"


def make_issuer(name="root"):
    key = generate(KIND)
    pem = certificates.make_root(key, "spiffe://x.consul", name, 1, NOW_S)
    return Issuer(certificates.parse_certificate(pem), key)


def make_leaf(issuer, lifetime_s=3600.0):
    subject = Subject(URI, "web", generate(KIND).public_key())
    return certificates.parse_certificate(
        certificates.make_leaf(subject, issuer, 7, NOW_S, lifetime_s)
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


def test_request_carries_one_identity_and_its_key():
    key = generate(KIND)

    uri, public_key = certificates.parse_request(certificates.make_request(key, URI, "web"))

    assert uri == URI
    assert key.public_key() == public_key


def test_text_that_is_no_request_is_refused():
    with pytest.raises(BadRequestForCertificate):
        certificates.parse_request("x")


def test_names_are_shown_as_pairs_of_digits():
    root = make_issuer()

    assert certificates.serial_text(8) == "08"
    assert certificates.serial_text(0x1A2B) == "1a:2b"
    assert len(certificates.fingerprint(root.certificate)) == 59
    assert certificates.rfc3339(datetime.fromtimestamp(NOW_S, UTC)) == "2027-01-15T08:00:00Z"
    assert certificates.chained(("a\n", " b")) == "a\nb\n"
    assert certificates.belongs(root.certificate, root.key)
