import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.http_match import (
    HeaderMatch,
    upper,
    validate_headers,
    validate_methods,
    validate_regex,
)


def test_methods_are_upper_case():
    assert upper(("get",)) == ("GET",)
    assert upper(None) is None


def test_unknown_and_repeated_methods_are_refused():
    with pytest.raises(Invalid, match=r'^P\.Methods contains an invalid method "BREW"$'):
        validate_methods("P.", ("BREW",))
    with pytest.raises(Invalid, match=r'^P\.Methods contains "GET" more than once$'):
        validate_methods("P.", ("GET", "GET"))


def test_pattern_that_re2_does_not_take_is_refused_with_its_field():
    validate_regex("PathRegex", "/a.*")
    with pytest.raises(Invalid, match=r"^PathRegex is not a valid regular expression: "):
        validate_regex("PathRegex", "(?=a)")


def test_permissions_may_look_for_parts_of_a_header_in_any_case():
    validate_headers(
        "P.", [HeaderMatch(name="h", contains="x", ignore_case=True)], end=".", containing=True
    )


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (
            HeaderMatch(name="h", exact="x", contains="y"),
            "P.Header[0] should only contain one of Present, Exact, Prefix, Suffix, Contains, or "
            "Regex.",
        ),
        (
            HeaderMatch(name="h", regex="x", ignore_case=True),
            "P.Header[0] should set one of Exact, Prefix, Suffix, or Contains when using "
            "IgnoreCase.",
        ),
    ],
)
def test_condition_on_a_header_compares_in_one_way(header, text):
    with pytest.raises(Invalid) as refused:
        validate_headers("P.", [header], end=".", containing=True)

    assert text == str(refused.value)


def test_routes_do_not_look_for_parts_of_a_header():
    with pytest.raises(Invalid, match="must not contain Contains or IgnoreCase"):
        validate_headers("P.", [HeaderMatch(name="h", contains="x")], end="")
