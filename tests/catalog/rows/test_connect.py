import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.rows.connect import CAConfiguration, CASigner, serial_of, trust_domain
from catalog.shape import to_json


def test_private_keys_and_the_clusters_id_are_never_shown():
    signer = CASigner(root_id="a", private_key="secret")
    configuration = CAConfiguration(cluster_id="c", provider="consul", config={})

    assert "secret" not in str(to_json(signer))
    assert "ClusterID" not in to_json(configuration)


def test_trust_domain_is_the_clusters_id():
    assert trust_domain("c") == "c.consul"


@given(st.integers(0, 2**160 - 1))
def test_serial_numbers_have_one_form_whatever_they_are_written_in(number):
    pairs = number.to_bytes((number.bit_length() + 7) // 8 or 1, "big").hex(":")

    assert pairs == serial_of(f"{number:x}") == serial_of(pairs.upper())
    assert pairs == serial_of(pairs.replace(":", "-"))


@pytest.mark.parametrize("text", ["", " ", "g", "0x1", "1" * 41, "a b", ":", "\u0661"])
def test_other_texts_are_no_serial_numbers(text):
    with pytest.raises(ValueError, match="expected 1 to 40 hexadecimal digits, such as 0a:1b"):
        serial_of(text)
