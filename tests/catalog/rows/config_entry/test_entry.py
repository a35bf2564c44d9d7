import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import errors_text, go_numbers, quoted, validate_meta


def test_several_faults_are_counted_and_listed():
    assert errors_text(["a"]) == "1 error occurred:\n\t* a\n\n"
    assert errors_text(["a", "b"]) == "2 errors occurred:\n\t* a\n\t* b\n\n"


def test_quotes_are_escaped():
    assert quoted('a"é') == '"a\\"é"'


def test_whole_numbers_have_no_fraction():
    assert go_numbers({"a": [1.0, 1.5, True]}) == {"a": [1, 1.5, True]}


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ({str(number): "" for number in range(65)}, "Meta exceeds maximum element count 64"),
        ({"k" * 129: ""}, "exceeds maximum length 128"),
        ({"k": "v" * 513}, 'Meta value for key "k" exceeds maximum length 512'),
    ],
)
def test_metadata_beyond_a_limit_is_refused(meta: dict[str, str], text: str):
    with pytest.raises(Invalid, match=text):
        validate_meta(meta)
