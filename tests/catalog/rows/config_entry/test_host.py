import pytest

from catalog.rows.config_entry.host import is_host


@pytest.mark.parametrize("text", ["a", "a.b-c.example", "a_b.example.", "10.0.0.1"])
def test_names_of_hosts_are_hosts(text):
    assert is_host(text)


@pytest.mark.parametrize("text", ["", "a b", "-a", "a..b", "*.a", "a" * 254])
def test_other_texts_are_none(text):
    assert not is_host(text)
