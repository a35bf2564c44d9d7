import pytest

from agent.connect.keys import EC_BITS, BadKey, KeyKind, from_pem, generate, kind_of, to_pem


@pytest.mark.parametrize("bits", EC_BITS)
def test_keys_of_curves_survive_their_text(bits):
    key = generate(KeyKind("ec", bits))

    text = to_pem(key)

    assert text.startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert KeyKind("ec", bits) == kind_of(from_pem(text))


def test_rsa_keys_are_slow():
    key = generate(KeyKind("rsa", 2048))

    assert KeyKind("rsa", 2048) == kind_of(key.public_key())
    assert kind_of(key).is_slow
    assert to_pem(key).startswith("-----BEGIN RSA PRIVATE KEY-----\n")


def test_text_that_is_no_key_is_refused_without_showing_it():
    with pytest.raises(BadKey) as refusal:
        from_pem("-----BEGIN EC PRIVATE KEY-----\nsecret\n-----END EC PRIVATE KEY-----\n")

    assert "secret" not in str(refusal.value)
