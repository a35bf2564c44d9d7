import pytest

from agent.connect.settings import DEFAULTS, canonical, read_settings
from catalog.duration import HOUR
from catalog.errors import Invalid


def test_keys_are_taken_in_every_spelling():
    config = {"leaf_cert_ttl": "24h", "PRIVATEKEYBITS": 384, "Other": 1}

    shown = canonical(config)

    assert shown == {**DEFAULTS, "LeafCertTTL": "24h", "PrivateKeyBits": 384, "Other": 1}
    assert read_settings(shown).leaf_cert_ttl_ns == 24 * HOUR


def test_defaults_are_those_of_the_documentation():
    settings = read_settings(canonical({}))

    assert settings.leaf_cert_ttl_ns == 72 * HOUR
    assert settings.intermediate_cert_ttl_ns == 8760 * HOUR
    assert settings.key_kind == ("ec", 256)
    assert settings.csr_max_per_second == 50


def test_rsa_keys_have_a_size_of_their_own_by_default():
    assert read_settings(canonical({"PrivateKeyType": "rsa"})).key_kind == ("rsa", 2048)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"LeafCertTTL": "59m"}, "leaf cert TTL must be greater or equal than 1h0m0s"),
        ({"LeafCertTTL": "8761h"}, "leaf cert TTL must be less than 8760h0m0s"),
        (
            {"LeafCertTTL": "2h", "IntermediateCertTTL": "5h"},
            "Intermediate Cert TTL must be greater or equal than 3 * LeafCertTTL (>=6h0m0s).",
        ),
        ({"PrivateKeyBits": 1}, "EC key length must be one of (224, 256, 384, 521) bits"),
        (
            {"PrivateKeyType": "rsa", "PrivateKeyBits": 1024},
            "RSA key length must be 2048 or 4096 bits",
        ),
        ({"PrivateKeyType": "dsa"}, "private key type must be either 'ec' or 'rsa'"),
        ({"RootCert": "x"}, "must provide a private key when providing a root cert"),
        ({"LeafCertTTL": []}, "error decoding config: 'LeafCertTTL': expected a duration"),
        ({"LeafCertTTL": "soon"}, "error decoding config: 'LeafCertTTL': "),
        ({"RootCert": 1}, "error decoding config: 'RootCert': expected a text"),
        ({"CSRMaxPerSecond": "x"}, "error decoding config: 'CSRMaxPerSecond': expected a number"),
        ({"SkipValidate": []}, "error decoding config: 'SkipValidate': expected true or false"),
        ({"LeafCertTTL": 0, "SkipValidate": True}, "leaf cert TTL must be greater"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(config, text):
    with pytest.raises(Invalid) as refusal:
        read_settings(canonical(config))

    assert str(refusal.value).startswith(text)


def test_short_lives_are_allowed_to_those_who_ask_for_no_validation():
    config = {"LeafCertTTL": 1_000_000_000, "SkipValidate": "true"}

    assert read_settings(canonical(config)).leaf_cert_ttl_ns == 1_000_000_000
