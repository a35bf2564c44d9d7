"""Parse a filter expression into its syntax tree.

A recursive-descent parser without a token list: words are keywords only where the grammar allows
one, so ``in in not`` is a legal expression. Every failed attempt notes what it expected; the notes
at the farthest position make the error text, which equals the one that Consul gives.

Grammar (whitespace is space, tab, CR, LF)::

    Or       := And ("or" And)*
    And      := Not ("and" Not)*
    Not      := "not" Not | "(" Or ")" | Match
    Match    := Selector ("==" | "!=") Value
              | Selector ["not"] ("contains" | "matches") Value
              | Selector "is" ["not"] "empty"
              | Value ["not"] "in" Selector
    Selector := Identifier ("." Identifier | "[" String "]")*
    Value    := Selector | Number | String
"""

import json
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from catalog.filters.syntax import And, Expression, FilterError, Match, Not, Operator, Or

EXPRESSION_BYTES_MAX: Final = 16 * 1024
"""Longest expression. A URL cannot carry much more, and compiled ones are kept in a cache."""
NESTING_MAX: Final = 64
"""Deepest parentheses: far from the interpreter's stack limit, far above what people write."""

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_IDENTIFIER: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_ESCAPE: Final = re.compile(
    r"""\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"""
)
_SIMPLE_ESCAPES: Final = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_CODE_POINT_MAX: Final = 0x10FFFF  # the last of Unicode
_SURROGATES: Final = range(0xD800, 0xE000)

_WordOperators: TypeAlias = tuple[tuple[tuple[str, ...], Operator], ...]

_WORD_OPERATORS: Final[_WordOperators] = (
    (("contains",), Operator.IN),
    (("not", "contains"), Operator.NOT_IN),
    (("matches",), Operator.MATCHES),
    (("not", "matches"), Operator.NOT_MATCHES),
)
_EMPTY_OPERATORS: Final[_WordOperators] = (
    (("is", "empty"), Operator.IS_EMPTY),
    (("is", "not", "empty"), Operator.IS_NOT_EMPTY),
)
_IN_OPERATORS: Final[_WordOperators] = ((("in",), Operator.IN), (("not", "in"), Operator.NOT_IN))


def parse(text: str) -> Expression:
    """The tree of an expression. Raises FilterError with position and reason, in Consul's words."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as fault:
        raise FilterError("1:1 (0): invalid encoding") from fault
    if size > EXPRESSION_BYTES_MAX:
        message = f"Expression of {size} bytes exceeds the limit ({EXPRESSION_BYTES_MAX})"
        raise FilterError(message)
    return _Parser(text).parse()


class _Parser:
    """One parse: a position, what was expected at the farthest failure, and faults found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.farthest = 0
        self.expected: set[str] = set()
        self.faults: dict[str, None] = {}

    def parse(self) -> Expression:
        self.space()
        found = self.either()
        if found is not None:
            self.space()
            if self.at < len(self.text):
                self.expect("EOF", self.at)
                found = None
        if self.faults:
            raise FilterError("\n".join(self.faults))
        if found is None:
            raise FilterError(f"{self.place(self.farthest)}: {self.nothing_found()}")
        return found

    # Notes of failures.

    def expect(self, what: str, at: int) -> None:
        if at > self.farthest:
            self.farthest = at
            self.expected = set()
        if at == self.farthest:
            self.expected.add(what)

    def fault(self, rule: str, reason: str, at: int) -> None:
        self.faults[f'{self.place(at)}: rule "{rule}": {reason}'] = None

    def place(self, at: int) -> str:
        before = self.text[:at]
        line = before.count("\n") + 1
        column = at - (before.rfind("\n") + 1) + 1
        return f"{line}:{column} ({len(before.encode())})"

    def nothing_found(self) -> str:
        # The end of the text is named last, whatever the alphabet says.
        names = sorted(self.expected - {"EOF"}) + sorted(self.expected & {"EOF"})
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        return f"no match found, expected: {listed}"

    # Terminals: each moves on and says so, or stays and notes what it wanted.

    def space(self) -> bool:
        found = _SPACE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        self.expect(r"[ \t\r\n]", self.at)
        return found is not None

    def word(self, literal: str) -> bool:
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        self.expect(json.dumps(literal), self.at)
        return False

    def words(self, literals: tuple[str, ...]) -> bool:
        """Words with space before each."""
        return all(self.space() and self.word(literal) for literal in literals)

    # Connectives.

    def either(self) -> Expression | None:
        operands = self.chain("or", self.both)
        return Or(operands) if len(operands) > 1 else next(iter(operands), None)

    def both(self) -> Expression | None:
        operands = self.chain("and", self.opposite)
        return And(operands) if len(operands) > 1 else next(iter(operands), None)

    def chain(self, keyword: str, part: Callable[[], Expression | None]) -> tuple[Expression, ...]:
        first = part()
        if first is None:
            return ()
        operands = [first]
        while True:
            end = self.at
            if not (self.words((keyword,)) and self.space()):
                break
            following = part()
            if following is None:
                break
            operands.append(following)
        self.at = end
        return tuple(operands)

    def opposite(self) -> Expression | None:
        starts = [self.at]
        while self.word("not") and self.space():
            starts.append(self.at)
        # The last "not" may also be a field or a value of that name: then it is no operator.
        for count in range(len(starts) - 1, -1, -1):
            self.at = starts[count]
            found = self.group()
            if found is not None:
                return Not(found) if count % 2 else found
        return None

    def group(self) -> Expression | None:
        start = self.at
        if not self.word("("):
            return self.match()
        self.depth += 1
        if self.depth > NESTING_MAX:
            message = f"Expression nests parentheses deeper than the limit ({NESTING_MAX})"
            raise FilterError(message)
        self.space()
        found = self.either()
        if found is not None:
            self.space()
            if not self.word(")"):
                self.fault("grouping", "Unmatched parentheses", self.at)
                found = None
        self.depth -= 1
        if found is None:
            self.at = start
        return found

    # Matches.

    def match(self) -> Match | None:
        start = self.at
        path = self.selector()
        if path is not None:
            end = self.at
            for operator in (Operator.EQUAL, Operator.NOT_EQUAL):
                self.at = end
                self.space()
                if self.word("==" if operator is Operator.EQUAL else "!="):
                    self.space()
                    value = self.value()
                    if value is not None:
                        return Match(path, operator, value)
            for literals, operator in _WORD_OPERATORS:
                self.at = end
                if self.words(literals) and self.space():
                    value = self.value()
                    if value is not None:
                        return Match(path, operator, value)
            for literals, operator in _EMPTY_OPERATORS:
                self.at = end
                if self.words(literals):
                    return Match(path, operator)
        self.at = start
        found = self.value_in_selector()
        if found is None:
            self.at = start
        return found

    def value_in_selector(self) -> Match | None:
        value = self.value()
        if value is None:
            return None
        end = self.at
        for literals, operator in _IN_OPERATORS:
            self.at = end
            if self.words(literals) and self.space():
                path = self.selector()
                if path is not None:
                    return Match(path, operator, value)
                self.fault("match", "Invalid selector", self.at)
        return None

    def selector(self) -> tuple[str, ...] | None:
        first = self.identifier()
        if first is None:
            return None
        path = [first]
        while True:
            end = self.at
            step = self.identifier() if self.word(".") else self.index()
            if step is None:
                self.at = end
                return tuple(path)
            path.append(step)

    def identifier(self) -> str | None:
        found = _IDENTIFIER.match(self.text, self.at)
        if found is None:
            self.expect("[a-zA-Z]", self.at)
            return None
        self.at = found.end()
        self.expect("[a-zA-Z0-9_]", self.at)
        return found[0]

    def index(self) -> str | None:
        if not self.word("["):
            return None
        self.space()
        key = self.string()
        if key is None:
            self.fault("index", "Invalid index", self.at)
            return None
        self.space()
        if not self.word("]"):
            self.fault("index", "Unclosed index expression", self.at)
            return None
        return key

    def value(self) -> str | None:
        path = self.selector()
        if path is not None:
            return ".".join(path)
        number = self.number()
        return number if number is not None else self.string()

    def number(self) -> str | None:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            for what in ('"-"', '"0"', "[1-9]"):
                self.expect(what, self.at)
            return None
        end = found.end()
        if end < len(self.text) and self.text[end] not in " \t\r\n)":
            self.fault("number", "Invalid number literal", end)
            return None
        self.at = end
        return found[0]

    def string(self) -> str | None:
        start = self.at
        quote = self.text[start : start + 1]
        if quote not in {'"', "`"}:
            self.expect(r'"\""', start)
            self.expect('"`"', start)
            return None
        end = self.text.find(quote, start + 1)
        if end < 0:
            self.fault("string", "Unterminated string literal", len(self.text))
            return None
        self.at = end + 1
        content = self.text[start + 1 : end]
        if quote == "`":
            return content.replace("\r", "")
        plain = _unescape(content)
        if plain is None:
            self.fault("string", "invalid syntax", start)
        return plain or ""


def _unescape(content: str) -> str | None:
    """The content of a double-quoted string, whose escapes are Go's; None if one is wrong."""
    if "\n" in content:
        return None
    parts: list[str] = []
    at = 0
    while (backslash := content.find("\\", at)) >= 0:
        escape = _ESCAPE.match(content, backslash)
        if escape is None:
            return None
        simple, byte, octal, short, long = escape.groups()
        if simple:
            character = _SIMPLE_ESCAPES[simple]
        else:
            code = int(octal, 8) if octal else int(byte or short or long, 16)
            if code > _CODE_POINT_MAX or code in _SURROGATES:
                return None
            character = chr(code)
        parts += (content[at:backslash], character)
        at = escape.end()
    return "".join((*parts, content[at:]))
