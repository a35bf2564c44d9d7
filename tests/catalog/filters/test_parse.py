from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.filters.parse import EXPRESSION_BYTES_MAX, NESTING_MAX, parse
from catalog.filters.syntax import And, Expression, FilterError, Match, Not, Operator, Or

A = Match(("A",), Operator.EQUAL, "1")
B = Match(("B",), Operator.EQUAL, "2")
C = Match(("C",), Operator.EQUAL, "3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo == 3", Match(("foo",), Operator.EQUAL, "3")),
        ("foo==3", Match(("foo",), Operator.EQUAL, "3")),
        ("foo != xyz", Match(("foo",), Operator.NOT_EQUAL, "xyz")),
        ("list is empty", Match(("list",), Operator.IS_EMPTY)),
        ("list is not empty", Match(("list",), Operator.IS_NOT_EMPTY)),
        ("foo in bar", Match(("bar",), Operator.IN, "foo")),
        ("foo not in bar", Match(("bar",), Operator.NOT_IN, "foo")),
        ("bar contains foo", Match(("bar",), Operator.IN, "foo")),
        ("bar not contains foo", Match(("bar",), Operator.NOT_IN, "foo")),
        ("foo matches `^b.r\\d`", Match(("foo",), Operator.MATCHES, "^b.r\\d")),
        ("foo not matches bar", Match(("foo",), Operator.NOT_MATCHES, "bar")),
        ('foo == "bar"', Match(("foo",), Operator.EQUAL, "bar")),
        ('foo == "a\\tb\\u00e9"', Match(("foo",), Operator.EQUAL, "a\tbé")),
        ('foo == ""', Match(("foo",), Operator.EQUAL, "")),
        ('"foo" in bar', Match(("bar",), Operator.IN, "foo")),
        ("foo == a.b", Match(("foo",), Operator.EQUAL, "a.b")),
        ("foo == -0.2", Match(("foo",), Operator.EQUAL, "-0.2")),
        ("not in in not", Not(Match(("not",), Operator.IN, "in"))),
        ("not == 1", Match(("not",), Operator.EQUAL, "1")),
        (
            '`env` in foo.bar["meta"].tags[\t`E-N V` ]',
            Match(("foo", "bar", "meta", "tags", "E-N V"), Operator.IN, "env"),
        ),
        ("\t\r\n ( \t foo \n is \t empty \r) \n", Match(("foo",), Operator.IS_EMPTY)),
        ("A==1 and B==2 or C==3", Or((And((A, B)), C))),
        ("A==1 and (B==2 or C==3)", And((A, Or((B, C))))),
        ("not A==1 and B==2", And((Not(A), B))),
        ("not not A==1", A),
        ("not not not A==1", Not(A)),
        ("(A==1) and (B==2)", And((A, B))),
    ],
)
def test_expression_has_the_tree_of_the_grammar(text: str, expected: Expression):
    assert expected == parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('foo == "12x', '1:12 (11): rule "string": Unterminated string literal'),
        ("foo == `12x", '1:12 (11): rule "string": Unterminated string literal'),
        ('foo == "\\d"', '1:8 (7): rule "string": invalid syntax'),
        ('foo == "\\ud800"', '1:8 (7): rule "string": invalid syntax'),
        ("foo == \ud800", "1:1 (0): invalid encoding"),
        ("foo == 3x", '1:9 (8): rule "number": Invalid number literal'),
        ("foo[3] == abc", '1:5 (4): rule "index": Invalid index'),
        ('x in foo["abc"', '1:15 (14): rule "index": Unclosed index expression'),
        ('foo["abc" == 3', '1:11 (10): rule "index": Unclosed index expression'),
        ("x in 32", '1:6 (5): rule "match": Invalid selector'),
        ("32 == 32", '1:4 (3): no match found, expected: "in", "not" or [ \\t\\r\\n]'),
        (
            "x in foo abc",
            '1:10 (9): no match found, expected: "and", "or", [ \\t\\r\\n] or EOF',
        ),
        (
            "x in foo and ",
            '1:14 (13): no match found, expected: "(", "-", "0", "\\"", "`", "not", '
            "[ \\t\\r\\n], [1-9] or [a-zA-Z]",
        ),
        (
            "x in foo or not ",
            '1:17 (16): no match found, expected: "!=", "(", "-", "0", "==", "\\"", "`", '
            '"contains", "in", "is", "matches", "not", [ \\t\\r\\n], [1-9] or [a-zA-Z]',
        ),
        ("(foo == 4", '1:10 (9): rule "grouping": Unmatched parentheses'),
        ("a ==\n`é", '2:3 (8): rule "string": Unterminated string literal'),
    ],
)
def test_syntax_error_names_place_and_what_was_expected(text: str, expected: str):
    with pytest.raises(FilterError) as caught:
        parse(text)

    assert expected == str(caught.value)


def test_expression_longer_than_the_limit_is_refused():
    with pytest.raises(FilterError, match="exceeds the limit"):
        parse("a == " + "b" * EXPRESSION_BYTES_MAX)


def test_parentheses_nest_up_to_the_limit_and_no_deeper():
    assert parse("(" * NESTING_MAX + "A==1" + ")" * NESTING_MAX) == A
    with pytest.raises(FilterError, match="nests parentheses deeper"):
        parse("(" * (NESTING_MAX + 1))


def test_long_chains_need_no_deep_stack():
    chain = parse(" and ".join(["A==1"] * 1500))

    assert And((A,) * 1500) == chain


WORDS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,4}", fullmatch=True)
MATCHES = st.builds(
    Match,
    st.lists(WORDS, min_size=1, max_size=3).map(tuple),
    st.sampled_from([Operator.EQUAL, Operator.IN, Operator.NOT_MATCHES]),
    st.text(st.characters(blacklist_characters="`\r", blacklist_categories=("Cs",)), max_size=6),
)
TREES = st.recursive(
    MATCHES,
    lambda inner: st.one_of(
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def write(tree: Expression) -> str:
    match tree:
        case Match():
            path = tree.path[0] + "".join(f"[`{step}`]" for step in tree.path[1:])
            if tree.operator is Operator.IN:
                return f"`{tree.value}` in {path}"
            sign = "==" if tree.operator is Operator.EQUAL else " not matches "
            return f"{path}{sign}`{tree.value}`"
        case Not(operand):
            return f"not ({write(operand)})"
        case And(operands):
            return " and ".join(f"({write(operand)})" for operand in operands)
        case Or(operands):
            return " or ".join(f"({write(operand)})" for operand in operands)


@given(TREES)
def test_written_tree_parses_to_itself(tree: Expression):
    assert tree == parse(write(tree))


@given(st.text(alphabet='ab.[]()"`=!-0 \n', max_size=40))
def test_any_text_parses_or_is_refused(text: str):
    with suppress(FilterError):
        assert isinstance(parse(text), Expression)
