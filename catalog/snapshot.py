"""The snapshot's bytes: length-prefixed msgpack records, a tag byte and a row each.

Tag 0 is the header with the format's version, tag 255 a last-change index; the others are those of
the tables. Records of unknown tags are refused: they would be lost in silence.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from catalog.rows.system import LastIndex
from catalog.schema import Table
from catalog.tables import SCHEMA

VERSION: Final = 1
CHUNK_BYTES: Final = 64 * 1024  # few enough calls to be cheap, small enough to stream
RECORD_BYTES_MAX: Final = 64 * 1024 * 1024  # far above any row; bounds a damaged length

_HEADER_TAG: Final = 0
_INDEX_TAG: Final = 255


class _Header(msgspec.Struct, frozen=True):
    version: int


class BadSnapshot(ValueError):
    """The bytes are no snapshot of a version that is known here."""


def write_snapshot(
    indexes: dict[str, int], tables: list[tuple[Table[Any], list[Any]]]
) -> Iterator[bytes]:
    """Encode frozen state, chunk by chunk, in the order of the schema."""
    encode = msgspec.msgpack.encode
    buffer = bytearray(_record(_HEADER_TAG, encode(_Header(VERSION))))
    for key in sorted(indexes):
        buffer += _record(_INDEX_TAG, encode(LastIndex(key=key, index=indexes[key])))
    for table, rows in tables:
        for row in rows:
            buffer += _record(table.tag, encode(row))
            if len(buffer) >= CHUNK_BYTES:
                yield bytes(buffer)
                buffer.clear()
    yield bytes(buffer)


def _record(tag: int, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + bytes((tag,)) + body


def read_snapshot(
    chunks: Iterator[bytes],
) -> tuple[dict[str, int], list[tuple[Table[Any], Any]]]:
    """The last-change indexes and all rows. Raises BadSnapshot before anything is changed."""
    by_tag = {table.tag: (table, msgspec.msgpack.Decoder(table.row)) for table in SCHEMA}
    last_index = msgspec.msgpack.Decoder(LastIndex)
    header = msgspec.msgpack.Decoder(_Header)
    indexes: dict[str, int] = {}
    rows: list[tuple[Table[Any], Any]] = []
    versions: list[int] = []
    for tag, body in _records(chunks):
        try:
            if tag == _HEADER_TAG:
                versions.append(header.decode(body).version)
            elif tag == _INDEX_TAG:
                row = last_index.decode(body)
                indexes[row.key] = row.index
            elif tag in by_tag:
                table, decoder = by_tag[tag]
                rows.append((table, decoder.decode(body)))
            else:
                raise BadSnapshot(f"unknown record tag {tag}")
        except msgspec.MsgspecError as error:
            raise BadSnapshot(f"record of tag {tag}: {error}") from error
    if versions != [VERSION]:
        raise BadSnapshot(f"snapshot version {versions}, expected {VERSION}")
    return indexes, rows


def _records(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        position = 0
        while len(buffer) - position >= 5:
            size = int.from_bytes(buffer[position : position + 4], "big")
            if size > RECORD_BYTES_MAX:
                raise BadSnapshot(f"record of {size} bytes, at most {RECORD_BYTES_MAX}")
            end = position + 5 + size
            if len(buffer) < end:
                break
            yield buffer[position + 4], bytes(buffer[position + 5 : end])
            position = end
        del buffer[:position]
    if buffer:
        raise BadSnapshot("the last record is cut off")
