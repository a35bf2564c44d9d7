import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.duration import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND
from catalog.duration import format_duration as write
from catalog.duration import parse_duration as parse

GO_TEXTS = {  # https://pkg.go.dev/time#Duration.String
    0: "0s",
    1: "1ns",
    1_100: "1.1µs",
    2_200_000: "2.2ms",
    3_300_000_000: "3.3s",
    4 * MINUTE + 5 * SECOND: "4m5s",
    4 * MINUTE + 5_001 * MILLISECOND: "4m5.001s",
    5 * HOUR + 6 * MINUTE + 7_001 * MILLISECOND: "5h6m7.001s",
    HOUR: "1h0m0s",
    -90 * SECOND: "-1m30s",
    -1: "-1ns",
    (1 << 63) - 1: "2562047h47m16.854775807s",
}


@pytest.mark.parametrize(("nanoseconds", "text"), GO_TEXTS.items())
def test_duration_is_written_as_go_writes_it(nanoseconds: int, text: str) -> None:
    assert text == write(nanoseconds)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("1.5s", 1_500 * MILLISECOND),
        (".5s", 500 * MILLISECOND),
        ("1.s", SECOND),
        ("+5s", 5 * SECOND),
        ("-3ms", -3 * MILLISECOND),
        ("10us", 10 * MICROSECOND),
        ("10µs", 10 * MICROSECOND),
        ("10μs", 10 * MICROSECOND),
        ("1h2m3s4ms", HOUR + 2 * MINUTE + 3 * SECOND + 4 * MILLISECOND),
        ("1m1m", 2 * MINUTE),
    ],
)
def test_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert nanoseconds == parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("s", 'time: invalid duration "s"'),
        (".s", 'time: invalid duration ".s"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1s5", 'time: missing unit in duration "1s5"'),
        ("5 s", 'time: unknown unit " s" in duration "5 s"'),
        ("3d", 'time: unknown unit "d" in duration "3d"'),
        ("٣s", 'time: invalid duration "٣s"'),
        ("99999999h", 'time: invalid duration "99999999h"'),
    ],
)
def test_bad_duration_is_refused_in_gos_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="time: ") as refusal:
        parse(text)

    assert reason == str(refusal.value)


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1))
def test_written_duration_reads_back(nanoseconds: int) -> None:
    assert nanoseconds == parse(write(nanoseconds))
