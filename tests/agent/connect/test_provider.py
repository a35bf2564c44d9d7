from agent.connect import certificates
from agent.connect.certificates import Issuer, Life, Names, Subject
from agent.connect.keys import KeyKind, generate
from agent.connect.provider import (
    crossings,
    root_row,
    signing_intermediate,
    with_crossings,
    with_intermediate,
)

NOW_S = 1_800_000_000.0
LIFE = Life(NOW_S, 1e8)


def make_issuer(name):
    key = generate(KeyKind("ec", 256))
    pem = certificates.make_root(key, Subject(Names(uri="u:x"), name, key.public_key()), 7, LIFE)
    return pem, Issuer(certificates.parse_certificate(pem), key)


def test_row_of_a_root_that_signs_itself():
    pem, issuer = make_issuer("a")

    row = root_row(pem, "Consul", "cluster")

    assert (row.name, row.serial_number, row.active) == ("Consul CA Root Cert", 7, True)
    assert row.signing_key_id == certificates.signing_key_id(issuer.certificate)
    assert (row.intermediate_certs, signing_intermediate(row), crossings(row)) == (None, None, ())


def test_what_leads_to_older_roots_comes_before_what_signs():
    old, new = make_issuer("old")[1], make_issuer("new")
    crossed = certificates.cross_sign(new[1].certificate, old, 3, NOW_S)
    signing, other = make_issuer("intermediate")[0], make_issuer("next")[0]

    row = with_crossings(root_row(new[0], "Vault", "cluster", signing), (crossed,))
    renewed = with_intermediate(row, other)

    assert row.intermediate_certs == (crossed, signing)
    assert renewed.intermediate_certs == (crossed, other)
    assert (crossings(renewed), signing_intermediate(renewed)) == ((crossed,), other)
    signer = certificates.parse_certificate(other)
    assert renewed.signing_key_id == certificates.signing_key_id(signer)
    assert with_crossings(root_row(new[0], "Consul", "cluster"), ()).intermediate_certs is None
