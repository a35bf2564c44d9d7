"""Claims about users' regular expressions."""

import pytest

from catalog.patterns import PatternError, compile_pattern


def test_a_pattern_is_found_anywhere() -> None:
    assert compile_pattern("b+").search("abbc")
    assert compile_pattern("^b").search("abbc") is None


def test_groups_are_counted() -> None:
    assert compile_pattern("(a)(b)").groups == 2


@pytest.mark.parametrize("text", ["((", "a{2,1}", "(?=a)"])
def test_a_bad_pattern_is_refused_with_the_reason(text: str, capfd: pytest.CaptureFixture) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(text)

    assert str(refused.value)
    assert capfd.readouterr().err == ""


def test_a_pattern_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(PatternError):
        compile_pattern("((a{100}){100}){100}")
