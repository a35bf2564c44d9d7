import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.wire.errors import KeyringError, Reason, WireError
from gossip.wire.keyring import OVERHEAD_BYTES, Keyring
from tests.gossip.wire.strategies import keys

FIRST, SECOND, THIRD = bytes(16), bytes(range(24)), bytes(range(32))
NONCE = bytes(range(12))


@given(st.binary(max_size=100), keys, st.binary(max_size=20), st.sampled_from([0, 1]))
def test_what_is_encrypted_comes_back(plain, key, associated, version):
    keyring = Keyring(key)

    payload = keyring.encrypt(plain, nonce=NONCE, associated=associated, version=version)

    assert plain == keyring.decrypt(payload, associated=associated)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32])
def test_version_0_pads_to_whole_blocks_and_version_1_does_not(size):
    keyring = Keyring(FIRST)

    padded = keyring.encrypt(bytes(size), nonce=NONCE, associated=b"", version=0)
    exact = keyring.encrypt(bytes(size), nonce=NONCE, associated=b"")

    assert OVERHEAD_BYTES + (size // 16 + 1) * 16 == len(padded)
    assert OVERHEAD_BYTES + size == len(exact)


def test_only_the_primary_encrypts_and_every_key_decrypts():
    payload = Keyring(SECOND).encrypt(b"hello", nonce=NONCE, associated=b"")

    assert Keyring(FIRST, SECOND, THIRD).decrypt(payload, associated=b"") == b"hello"
    assert payload == Keyring(SECOND, FIRST).encrypt(b"hello", nonce=NONCE, associated=b"")


@pytest.mark.parametrize("keyring", [Keyring(), Keyring(FIRST), Keyring(FIRST, THIRD)])
def test_without_a_fitting_key_the_payload_is_undecryptable(keyring):
    payload = Keyring(SECOND).encrypt(b"hello", nonce=NONCE, associated=b"")

    with pytest.raises(WireError) as refused:
        keyring.decrypt(payload, associated=b"")

    assert Reason.UNDECRYPTABLE is refused.value.reason


def test_other_associated_bytes_are_undecryptable():
    keyring = Keyring(FIRST)
    payload = keyring.encrypt(b"hello", nonce=NONCE, associated=b"blue")

    with pytest.raises(WireError) as refused:
        keyring.decrypt(payload, associated=b"red")

    assert Reason.UNDECRYPTABLE is refused.value.reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.TRUNCATED),
        (b"\x01" + bytes(27), Reason.TRUNCATED),
        (b"\x02" + bytes(28), Reason.UNSUPPORTED),
        (b"\x01" + bytes(28), Reason.UNDECRYPTABLE),
    ],
)
def test_broken_payloads_are_refused_with_their_reason(payload, reason):
    with pytest.raises(WireError) as refused:
        Keyring(FIRST).decrypt(payload, associated=b"")

    assert reason is refused.value.reason


@pytest.mark.parametrize("plain", [b"", bytes(15) + b"\x11", bytes(16), b"\x05"])
def test_broken_padding_is_malformed(plain):
    keyring = Keyring(FIRST)
    sealed = keyring.encrypt(plain, nonce=NONCE, associated=b"", version=1)

    with pytest.raises(WireError) as refused:
        keyring.decrypt(b"\x00" + sealed[1:], associated=b"")

    assert Reason.MALFORMED is refused.value.reason


def test_the_first_key_added_becomes_the_primary_and_later_ones_go_last():
    keyring = Keyring().add(FIRST).add(SECOND)

    assert keyring.keys == (FIRST, SECOND)
    assert keyring is keyring.add(FIRST)


def test_use_moves_a_present_key_to_the_front():
    assert Keyring(FIRST, SECOND, THIRD).use(THIRD).keys == (THIRD, FIRST, SECOND)


def test_use_of_an_absent_key_is_refused():
    with pytest.raises(KeyringError, match="not in the keyring"):
        Keyring(FIRST).use(SECOND)


def test_remove_takes_a_secondary_and_ignores_an_absent_key():
    assert Keyring(FIRST, SECOND).remove(SECOND).keys == (FIRST,)
    assert Keyring(FIRST).remove(SECOND).keys == (FIRST,)


def test_the_primary_cannot_be_removed():
    with pytest.raises(KeyringError, match="primary key is not allowed"):
        Keyring(FIRST, SECOND).remove(FIRST)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 33])
def test_other_key_sizes_are_refused(size):
    with pytest.raises(KeyringError, match="16, 24 or 32 bytes"):
        Keyring(FIRST).add(bytes(size))


def test_a_keyring_has_a_limit():
    full = Keyring(*(index.to_bytes(16, "big") for index in range(256)))

    with pytest.raises(KeyringError, match="at most 256"):
        full.add(SECOND)


def test_an_empty_keyring_means_no_encryption():
    assert not Keyring().enabled
    assert Keyring(FIRST).enabled


def test_keys_are_never_shown():
    secret = b"sixteen secrets!"

    shown = repr(Keyring(secret)) + str(Keyring(secret))

    assert "Keyring(1 keys)" in shown
    assert "secret" not in shown
