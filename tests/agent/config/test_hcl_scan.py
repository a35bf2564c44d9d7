import pytest

from agent.config.hcl_scan import Sort, scan
from agent.config.tree import ConfigError


def values(text):
    return [word.value for word in scan(text, file="f.hcl")[:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a\\n\\t\\"\\u00e9\\x41\\101"', 'a\n\t"éAA'),
        ('"${ "x" }-$"', '${ "x" }-$'),
        ("<<E\na\n b\nE\n", "a\n b\n"),
        ("<<-E\n  a\n    b\n  E", "a\n  b\n"),
        ("0x1F", 31),
        ("010", 8),
        ("-12", -12),
        ("1.5e3", 1500.0),
        ("true", True),
        ("client-addr.v2", "client-addr.v2"),
    ],
)
def test_word_has_the_meaning_of_its_text(text, expected):
    assert [expected] == values(text)


def test_comments_vanish_and_lines_are_counted():
    words = scan("# a\n// b\n/* c\nd */ x", file="f.hcl")

    assert words[0] == (Sort.NAME, "x", 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('\n"a', "f.hcl:2: string is not closed"),
        ('"a\nb"', "f.hcl:1: string is not closed"),
        ('"\\q"', "unknown escape"),
        ('"\\ud800"', "no character"),
        ('"${a', "not closed: expected }"),
        ("/* a", "comment is not closed"),
        ("<<E\nx", "heredoc is not closed: expected E"),
        ("09", "no octal number"),
        ("1" * 65, "longer than 64"),
        ("a @", "unexpected character '@'"),
    ],
)
def test_slip_is_refused_with_its_line(text, reason):
    with pytest.raises(ConfigError) as caught:
        scan(text, file="f.hcl")

    assert reason in str(caught.value)
