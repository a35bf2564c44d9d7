import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.http_match import upper, validate_methods


def test_methods_are_upper_case():
    assert upper(("get",)) == ("GET",)
    assert upper(None) is None


def test_unknown_method_is_refused_where_it_matters():
    validate_methods("P.", ("BREW",), known_only=False)
    with pytest.raises(Invalid, match=r'^P\.Methods contains an invalid method "BREW"$'):
        validate_methods("P.", ("BREW",), known_only=True)
