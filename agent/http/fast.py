"""The fast lane's knowledge: what the bytes of a request head say, and answers kept as bytes.

A client repeats its header block from request to request, so what a block says is remembered. An
answer to a hot read is kept as bytes until something that it depends on changes.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from typing_extensions import override

from agent.http.encode import Rendered

BLOCKS_MAX: Final = 1024  # distinct header blocks remembered; all are forgotten beyond it
BLOCK_BYTES_MAX: Final = 4096  # a larger block is read anew each time: bounds what is remembered
LENGTH_DIGITS_MAX: Final = 15  # of a Content-Length; more is no length but an attack
ANSWERS_MAX: Final = 4096  # answers kept; the oldest is dropped beyond it
ANSWERS_BYTES_MAX: Final = 16 * 1024 * 1024  # of all kept answers together
TARGET_BYTES_MAX: Final = 2048  # answers to longer targets are not kept: the keys are bounded too
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class Headers(Mapping[str, str]):
    """Header fields, found without regard to case."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = {name.lower(): value for name, value in fields}

    @override
    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    @override
    def get(self, name: str, default: str = "") -> str:  # type: ignore[override] # text only
        """The field's value, or the default."""
        return self._fields.get(name.lower(), default)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    @override
    def __len__(self) -> int:
        return len(self._fields)


class Block(NamedTuple):
    """A header block: its fields, and whether a request with it suits the fast lane."""

    headers: Headers
    suits: bool
    body_bytes: int
    variant: bytes


_NOT_FAST: Final = ("transfer-encoding", "expect", "upgrade", "content-encoding")


def read_block(block: bytes) -> Block:
    """What a header block says; one that is odd in any way does not suit the fast lane."""
    fields: list[tuple[str, str]] = []
    suits = True
    for line in block.split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        suits = suits and bool(colon) and name.isascii() and name.replace("-", "").isalnum()
        # A lone CR, LF or NUL may end a line for others on the way: aiohttp refuses it.
        suits = suits and value.isascii() and value.isprintable()
        fields.append((name, value.strip(" \t")))
    headers = Headers(fields)
    length = headers.get("Content-Length", "0")
    suits = (
        suits
        and len(headers) == len(fields)
        and "host" in headers
        and headers.get("Connection", "keep-alive").lower() == "keep-alive"
        and length.isascii()
        and length.isdigit()
        and len(length) <= LENGTH_DIGITS_MAX
        and not any(name in headers for name in _NOT_FAST)
    )
    variant = b"gzip" if "gzip" in headers.get("Accept-Encoding") else b""
    return Block(headers, suits, int(length) if suits else 0, variant)


class Blocks:
    """The header blocks that were read before."""

    def __init__(self) -> None:
        self._known: dict[bytes, Block] = {}

    def read(self, block: bytes) -> Block:
        """What a block says."""
        known = self._known.get(block)
        if known is not None:
            return known
        known = read_block(block)
        if len(block) <= BLOCK_BYTES_MAX:
            if len(self._known) >= BLOCKS_MAX:
                self._known.clear()
            self._known[block] = known
        return known


Watch = Callable[[list[Hashable], Callable[[], None]], None]


class Answers:
    """Answers as bytes, by request target and header variant, until their content changes."""

    def __init__(self, watch: Watch, unwatch: Watch) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._kept: OrderedDict[bytes, tuple[bytes, list[Hashable], Callable[[], None]]] = (
            OrderedDict()
        )
        self._bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """The answer that is kept for a key."""
        kept = self._kept.get(key)
        return None if kept is None else kept[0]

    def keep(self, key: bytes, answer: bytes, watched: list[Hashable]) -> None:
        """Keep an answer until one of the watch keys changes."""
        if key in self._kept or not watched or len(key) > TARGET_BYTES_MAX:
            return

        def changed() -> None:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self._bytes -= len(kept[0])
                self._unwatch(kept[1], kept[2])

        self._kept[key] = (answer, watched, changed)
        self._bytes += len(answer)
        self._watch(watched, changed)
        while len(self._kept) > ANSWERS_MAX or self._bytes > ANSWERS_BYTES_MAX:
            next(iter(self._kept.values()))[2]()

    def clear(self) -> None:
        """Forget all: the settings that shape answers changed."""
        for _, _, changed in list(self._kept.values()):
            changed()


def to_bytes(rendered: Rendered) -> bytes:
    """The answer on the wire, without a Date field (the connection adds it)."""
    status, headers, body = rendered
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
