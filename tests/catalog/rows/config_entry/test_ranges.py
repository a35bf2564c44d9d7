import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.ranges import Range, duration, percent, validate_ranges


def test_values_within_their_bounds_and_absent_ones_fit():
    validate_ranges("P.", Range("A", 0), Range("B", None), percent("C", 100), duration("D", 0))


@pytest.mark.parametrize(
    ("each", "text"),
    [
        (Range("A", -1), "P.A must be >= 0, not -1"),
        (
            Range("A", 9_000_000, maximum=8_388_608),
            "P.A must be between 0 and 8388608, not 9000000",
        ),
        (percent("A", 100.5), "P.A must be between 0 and 100, not 100.5"),
        (duration("A", -1_000_000), "P.A must be >= 0, not -1ms"),
    ],
)
def test_value_out_of_bounds_is_refused_with_field_bounds_and_value(each, text):
    with pytest.raises(Invalid) as refused:
        validate_ranges("P.", each)

    assert text == str(refused.value)
