"""Words of an HCL 1 text: names, strings, numbers, signs and heredocs with their lines.

Source: the syntax section of HCL 1 (https://github.com/hashicorp/hcl/tree/hcl1). Strings know
Go's escapes; ``${...}`` is kept as written, since the agent's configuration has no interpolation.
"""

import re
from enum import Enum
from typing import Any, Final, NamedTuple

from agent.config.tree import ConfigError, Origin

_BLANK: Final = re.compile(r"[ \t\r\f\v]+|(?:#|//)[^\n]*")
_NAME: Final = re.compile(r"[^\W\d][\w.-]*")
_NUMBER: Final = re.compile(
    r"-?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
)
_HEREDOC: Final = re.compile(r"<<(-?)([^\s<]+)[ \t]*\r?\n")
_PLAIN: Final = re.compile(r'[^"\\\n$]+')
_SIMPLE_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"',
}  # fmt: skip
_CODE_ESCAPES: Final = re.compile(r"x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}")

NUMBER_CHARS_MAX: Final = 64
"""Characters of a number: no key needs more, and huge integers take quadratic time to read."""


class Sort(Enum):
    """What a word is; the value names it in messages."""

    NAME = "a name"
    STRING = "a string"
    NUMBER = "a number"
    BOOL = "true or false"
    SIGN = "a sign"
    END = "the end of the text"


class Word(NamedTuple):
    """One word: its sort, its meaning (text, number, bool or the sign) and its line."""

    sort: Sort
    value: Any
    line: int


def scan(text: str, *, file: str) -> list[Word]:
    """All words of a text, the last one of sort END; raises ConfigError with file and line."""
    return _Scanner(text, file).words()


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._line = 1

    def words(self) -> list[Word]:
        found: list[Word] = []
        while self._skip_blank():
            found.append(self._word())
        found.append(Word(Sort.END, "", self._line))
        return found

    def fail(self, message: str, line: int | None = None) -> ConfigError:
        return ConfigError(message, origin=Origin(self._file, line or self._line))

    def _skip_blank(self) -> bool:
        text = self._text
        while self._at < len(text):
            if text[self._at] == "\n":
                self._line += 1
                self._at += 1
            elif blank := _BLANK.match(text, self._at):
                self._at = blank.end()
            elif text.startswith("/*", self._at):
                end = text.find("*/", self._at + 2)
                if end < 0:
                    raise self.fail("comment is not closed: expected */")
                self._line += text.count("\n", self._at, end)
                self._at = end + 2
            else:
                return True
        return False

    def _word(self) -> Word:
        text, line = self._text, self._line
        sign = text[self._at]
        if sign in "{}[]=,:":
            self._at += 1
            return Word(Sort.SIGN, sign, line)
        if sign == '"':
            return Word(Sort.STRING, self._string(), line)
        if heredoc := _HEREDOC.match(text, self._at):
            return Word(Sort.STRING, self._heredoc(heredoc), line)
        if number := _NUMBER.match(text, self._at):
            self._at = number.end()
            return Word(Sort.NUMBER, self._number(number[0]), line)
        if name := _NAME.match(text, self._at):
            self._at = name.end()
            if name[0] in {"true", "false"}:
                return Word(Sort.BOOL, name[0] == "true", line)
            return Word(Sort.NAME, name[0], line)
        message = f"unexpected character {sign!r}"
        raise self.fail(message)

    def _number(self, digits: str) -> int | float:
        if len(digits) > NUMBER_CHARS_MAX:
            message = f"number is longer than {NUMBER_CHARS_MAX} characters"
            raise self.fail(message)
        body = digits.lstrip("-").lower()
        if body.startswith("0x"):
            value: int | float = int(body, 16)
        elif body.isdigit():
            try:
                # A leading zero means octal, as in the real parser.
                value = int(body, 8 if len(body) > 1 and body[0] == "0" else 10)
            except ValueError as error:
                message = f"{digits} starts with 0 and is no octal number"
                raise self.fail(message) from error
        else:
            value = float(body)
        return -value if digits[0] == "-" else value

    def _string(self) -> str:
        start_line = self._line
        self._at += 1
        parts: list[str] = []
        while True:
            if plain := _PLAIN.match(self._text, self._at):
                parts.append(plain[0])
                self._at = plain.end()
            match self._text[self._at : self._at + 1]:
                case '"':
                    self._at += 1
                    return "".join(parts)
                case "\\":
                    parts.append(self._escape())
                case "$":
                    parts.append(self._interpolation())
                case _:
                    raise self.fail('string is not closed: expected "', start_line)

    def _escape(self) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if char in _SIMPLE_ESCAPES:
            self._at += 2
            return _SIMPLE_ESCAPES[char]
        code = _CODE_ESCAPES.match(self._text, self._at + 1)
        if code is None:
            message = f"unknown escape \\{char} in a string"
            raise self.fail(message)
        number = int(code[0], 8) if code[0][0].isdigit() else int(code[0][1:], 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            message = f"\\{code[0]} is no character"
            raise self.fail(message)
        self._at = code.end()
        return chr(number)

    def _interpolation(self) -> str:
        """``${...}`` exactly as written, quotes and newlines included; a lone ``$`` is itself."""
        start, depth = self._at, 0
        if not self._text.startswith("${", start):
            self._at += 1
            return "$"
        for at in range(start + 1, len(self._text)):
            match self._text[at]:
                case "{":
                    depth += 1
                case "}":
                    depth -= 1
                case "\n":
                    self._line += 1
                case _:
                    pass
            if depth == 0:
                self._at = at + 1
                return self._text[start : self._at]
        raise self.fail("${ in a string is not closed: expected }")

    def _heredoc(self, opening: re.Match[str]) -> str:
        indented, marker = opening[1] == "-", opening[2]
        start_line = self._line
        self._line += 1
        self._at = opening.end()
        lines: list[str] = []
        while self._at < len(self._text):
            end = self._text.find("\n", self._at)
            end = len(self._text) if end < 0 else end
            line = self._text[self._at : end]
            if line.strip() == marker:
                # The newline stays in the text: it ends the item that holds the heredoc.
                self._at = end
                return _outdent(lines) if indented else "".join(f"{text}\n" for text in lines)
            lines.append(line)
            self._line += 1
            self._at = end + 1
        message = f"heredoc is not closed: expected {marker} on a line of its own"
        raise self.fail(message, start_line)


def _outdent(lines: list[str]) -> str:
    """The lines without the indentation that all of them share."""
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    shared = min(indents, default=0)
    return "".join(f"{line[shared:]}\n" for line in lines)
