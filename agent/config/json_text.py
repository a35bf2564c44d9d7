"""JSON with the line of each key; duplicates are refused.

The stdlib's decoder gives neither lines nor duplicates, so the objects are walked here and only
strings are left to it. Source: RFC 8259.
"""

import json
import re
from typing import Any, Final

from agent.config.tree import Block, ConfigError, Origin

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.])", re.ASCII)
_WORD: Final = re.compile(r"true|false|null")
_WORDS: Final = {"true": True, "false": False, "null": None}

DEPTH_MAX: Final = 64
"""Nested objects and lists: far above any real file, far below the interpreter's stack."""
NUMBER_CHARS_MAX: Final = 64
"""Characters of a number: no key needs more, and huge integers take quadratic time to read."""


def parse_json(text: str, *, file: str) -> Block:
    """The object a JSON text holds; raises ConfigError with file, line and reason."""
    parser = _Parser(text, file)
    value = parser.document()
    if not isinstance(value, Block):
        raise ConfigError("expected an object: {", origin=Origin(file, 1))
    return value


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._line = 1
        self._line_at = 0

    def document(self) -> Any:
        value = self._value("", 0)
        if self._peek():
            message = f"expected the end of the text, found {self._shown()}"
            raise self._fail(message)
        return value

    def _value(self, key: str, depth: int) -> Any:
        if depth > DEPTH_MAX:
            message = f"nested deeper than {DEPTH_MAX} levels"
            raise self._fail(message)
        match self._peek():
            case "{":
                return self._object(depth)
            case "[":
                return self._list(key, depth)
            case '"':
                return self._string()
            case _:
                return self._word(key)

    def _word(self, key: str) -> Any:
        if number := _NUMBER.match(self._text, self._at):
            return self._number(number)
        if word := _WORD.match(self._text, self._at):
            self._at = word.end()
            return _WORDS[word[0]]
        place = f"{key}: " if key else ""
        message = f"{place}expected a value, found {self._shown()}"
        raise self._fail(message)

    def _object(self, depth: int) -> Block:
        block = Block()
        self._at += 1
        if self._peek() == "}":
            self._at += 1
            return block
        last = ""
        while True:
            if self._peek() != '"':
                after = f" after {last}" if last else ""
                message = f"expected a key in double quotes{after}, found {self._shown()}"
                raise self._fail(message)
            key, origin = self._string(), Origin(self._file, self._here())
            if key in block:
                message = f"duplicate key {key}, first set at {block.origins[key]}"
                raise ConfigError(message, origin=origin)
            if self._peek() != ":":
                message = f"{key}: expected : after the key, found {self._shown()}"
                raise self._fail(message)
            self._at += 1
            block.put(key, self._value(key, depth + 1), origin)
            if self._ends("}", f"after the value of {key}"):
                return block
            last = key

    def _list(self, key: str, depth: int) -> list[Any]:
        values: list[Any] = []
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return values
        while True:
            values.append(self._value(key, depth + 1))
            if self._ends("]", f"in the list of {key}" if key else "in the list"):
                return values

    def _ends(self, closing: str, place: str) -> bool:
        """Take the comma or the closing sign; tell whether it was the closing one."""
        sign = self._peek()
        if sign not in {",", closing} or not sign:
            message = f"expected , or {closing} {place}, found {self._shown()}"
            raise self._fail(message)
        self._at += 1
        return sign == closing

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._fail("string is not closed or holds a raw control character")
        self._at = found.end()
        try:
            value: str = json.loads(found[0])
            value.encode()
        except ValueError as error:
            message = f"string {found[0]} is not valid: {error}"
            raise self._fail(message) from error
        return value

    def _number(self, found: re.Match[str]) -> int | float:
        if len(found[0]) > NUMBER_CHARS_MAX:
            message = f"number is longer than {NUMBER_CHARS_MAX} characters"
            raise self._fail(message)
        self._at = found.end()
        return float(found[0]) if found[1] or found[2] else int(found[0])

    def _peek(self) -> str:
        space = _SPACE.match(self._text, self._at)
        assert space is not None, "the pattern matches the empty text"
        self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _shown(self) -> str:
        sign = self._peek()
        return repr(sign) if sign else "the end of the text"

    def _here(self) -> int:
        """The current line, counted on from the last question: linear over the whole text."""
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        return self._line

    def _fail(self, message: str) -> ConfigError:
        return ConfigError(message, origin=Origin(self._file, self._here()))
