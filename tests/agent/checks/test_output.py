from hypothesis import given
from hypothesis import strategies as st

from agent.checks.definition import CheckType
from agent.checks.output import Tail, head, head_of_bytes, output_bytes_max


def test_long_note_keeps_its_head_with_the_recorded_suffix():
    assert head("x" * 5000, 4096) == "x" * 4096 + " ... (captured 4096 of 5000 bytes)"


def test_output_at_the_limit_is_left_alone():
    assert head("x" * 4096, 4096) == "x" * 4096


def test_bytes_that_are_no_text_become_replacement_characters():
    assert (
        head_of_bytes(b"bin \xff\xfe \0 end", 4096, content_bytes=12) == "bin \ufffd\ufffd \0 end"
    )


def test_cut_never_splits_a_character():
    assert head("aéé", 4) == "aé ... (captured 3 of 5 bytes)"


def test_script_output_keeps_its_tail_with_a_heading():
    tail = Tail(4)

    for part in (b"12", b"345678", b"9"):
        tail.write(part)

    assert tail.text() == "Captured 4 of 9 bytes\n...\n6789"


@given(st.text(alphabet=st.characters(exclude_categories=())), st.integers(1, 20))
def test_head_is_always_valid_text_within_its_limit(text, bytes_max):
    shown = head(text, bytes_max)

    shown.encode()
    assert len(shown.split(" ... (captured")[0]) <= bytes_max


@given(st.lists(st.binary(max_size=12), max_size=12), st.integers(1, 10))
def test_tail_is_the_end_of_all_that_was_written(parts, bytes_max):
    tail = Tail(bytes_max)

    for part in parts:
        tail.write(part)

    whole = b"".join(parts)
    assert len(whole) == tail.written_bytes
    assert tail.text().endswith(whole[-bytes_max:].decode("utf-8", "replace"))


def test_check_may_lower_the_limit_but_not_raise_it():
    assert output_bytes_max(CheckType(output_max_size=100), 4096) == 100
    assert output_bytes_max(CheckType(output_max_size=9999), 4096) == 4096
    assert output_bytes_max(CheckType(), 0) == 4096
