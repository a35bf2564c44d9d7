"""HCL 1, Consul's dialect, read strictly: nothing that a user wrote is dropped in silence.

``parse_hcl`` gives the text as ``Block`` with the line of each key. A block that is repeated
becomes a list of blocks; labels nest (``key "a" { }`` is ``{"key": {"a": {}}}``).

Decision: pyhcl was tried first and is unfit for users' files. It lets a repeated key win in
silence, lets ``a { } a = 1`` lose the block, leaves escapes such as ``\\n`` undone, takes bare
words for strings, reads 010 as 10 and gives no line for a key. It stays the oracle of the tests
for the texts that both accept. A text that starts with ``{`` is JSON and is read as such: the real
parser's lax JSON mode is how a missing comma loses keys.
"""

from typing import Any, Final

from agent.config.hcl_scan import Sort, Word, scan
from agent.config.json_text import parse_json
from agent.config.tree import Block, ConfigError, Origin

DEPTH_MAX: Final = 64
"""Nested objects and lists: far above any real file, far below the interpreter's stack."""


def parse_hcl(text: str, *, file: str) -> Block:
    """The object an HCL 1 text describes; raises ConfigError with file, line and reason."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return parse_json(text, file=file)
    parser = _Parser(scan(text, file=file), file)
    return parser.items(closing=None, depth=0)


class _Parser:
    def __init__(self, words: list[Word], file: str) -> None:
        self._words = words
        self._file = file
        self._next = 0

    def items(self, *, closing: str | None, depth: int) -> Block:
        """Items up to the closing sign, or to the end of the text."""
        block = Block()
        while True:
            word = self._peek()
            if closing is None and word.sort is Sort.END:
                return block
            if closing is not None and self._is_sign(closing):
                self._take()
                return block
            self._item(block, depth)
            # Go's parser takes commas between the items of an object, never at the top.
            if closing is not None and self._is_sign(","):
                self._take()

    def _item(self, block: Block, depth: int) -> None:
        keys = [self._key()]
        while self._peek().sort in {Sort.NAME, Sort.STRING}:
            keys.append(self._key())
        name, line = keys[0].value, keys[0].line
        if self._is_sign("="):
            if len(keys) > 1:
                message = f"{name}: expected {{ after the label {keys[-1].value!r}, found ="
                raise self._fail(message, line)
            self._take()
            add(block, name, self._value(name, depth + 1), Origin(self._file, line))
            return
        if not self._is_sign("{"):
            hint = "; a : between key and value is JSON" if self._is_sign(":") else ""
            message = f"{name}: expected = or {{ after the key, found {self._shown()}{hint}"
            raise self._fail(message, line)
        self._take()
        self._check_depth(depth + len(keys))
        value = self.items(closing="}", depth=depth + len(keys))
        for label in reversed(keys[1:]):
            outer = Block()
            outer.put(label.value, value, Origin(self._file, label.line))
            value = outer
        add(block, name, value, Origin(self._file, line), labels=len(keys) - 1)

    def _key(self) -> Word:
        word = self._take()
        if word.sort not in {Sort.NAME, Sort.STRING}:
            message = f"expected a key, found {_show(word)}"
            raise self._fail(message, word.line)
        return word

    def _value(self, key: str, depth: int) -> Any:
        self._check_depth(depth)
        word = self._take()
        match word.sort:
            case Sort.STRING | Sort.NUMBER | Sort.BOOL:
                return word.value
            case Sort.SIGN if word.value == "{":
                return self.items(closing="}", depth=depth)
            case Sort.SIGN if word.value == "[":
                return self._list(key, depth)
            case Sort.NAME:
                message = f"{key}: a text value needs quotes: {word.value}"
            case _:
                message = f"{key}: expected a value, found {_show(word)}"
        raise self._fail(message, word.line)

    def _list(self, key: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while not self._is_sign("]"):
            values.append(self._value(key, depth + 1))
            if self._is_sign(","):
                self._take()
            elif not self._is_sign("]"):
                message = f"{key}: expected , or ] in the list, found {self._shown()}"
                raise self._fail(message, self._peek().line)
        self._take()
        return values

    def _peek(self) -> Word:
        return self._words[self._next]

    def _take(self) -> Word:
        word = self._words[self._next]
        if word.sort is not Sort.END:
            self._next += 1
        return word

    def _is_sign(self, sign: str) -> bool:
        word = self._peek()
        return word.sort is Sort.SIGN and word.value == sign

    def _shown(self) -> str:
        return _show(self._peek())

    def _check_depth(self, depth: int) -> None:
        if depth > DEPTH_MAX:
            message = f"nested deeper than {DEPTH_MAX} levels"
            raise self._fail(message, self._peek().line)

    def _fail(self, message: str, line: int) -> ConfigError:
        return ConfigError(message, origin=Origin(self._file, line))


def _show(word: Word) -> str:
    return word.sort.value if word.sort is Sort.END else repr(word.value)


def add(block: Block, key: str, value: Any, origin: Origin, *, labels: int = 0) -> None:
    """Put one more item under a key: objects gather in a list, anything else is a duplicate.

    Labelled blocks of one key merge by label. Raises ConfigError for a duplicate.
    """
    if key not in block:
        block.put(key, value, origin)
        return
    earlier = block[key]
    if labels and isinstance(earlier, Block) and isinstance(value, Block):
        for label, inner in value.items():
            add(earlier, label, inner, value.origins[label], labels=labels - 1)
    elif isinstance(earlier, Block) and isinstance(value, Block):
        block[key] = [earlier, value]
    elif _is_repeated(earlier) and isinstance(value, Block):
        earlier.append(value)
    else:
        message = f"duplicate key {key}, first set at {block.origins[key]}"
        raise ConfigError(message, origin=origin)


def _is_repeated(value: Any) -> bool:
    """Whether a list holds objects; the last one tells, so that n repeats cost n steps."""
    return isinstance(value, list) and bool(value) and isinstance(value[-1], Block)
