"""Reads and writes of KV entries for the recipes built on them: locks, semaphores, exec."""

import base64
from typing import Any, Final

import msgspec

from agent.cli.client import Client, Query, key_path
from agent.cli.failure import ApiError

_NOT_FOUND: Final = 404


class Entry(msgspec.Struct, frozen=True):
    """One entry; ``session`` is empty when nobody holds it."""

    key: str
    value: bytes
    flags: int
    session: str
    modify_index: int


class View(msgspec.Struct, frozen=True):
    """What a read found, and the index to wait for a change of it."""

    entries: tuple[Entry, ...]
    index: int


def read(client: Client, key: str, query: Query) -> View:
    """Read a key, or with ``recurse`` in ``query`` a prefix; nothing there is an empty view."""
    try:
        answer = client.get(key_path(key), query)
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return View((), error.index)
        raise
    return View(tuple(_entry(found) for found in answer.json() or []), answer.index)


def _entry(found: dict[str, Any]) -> Entry:
    return Entry(
        key=found["Key"],
        value=base64.b64decode(found["Value"] or ""),
        flags=found["Flags"],
        session=found.get("Session") or "",
        modify_index=found["ModifyIndex"],
    )


def write(client: Client, key: str, value: bytes, query: Query) -> bool:
    """Write a key; False when the condition in ``query`` did not hold."""
    return client.put(key_path(key), query, value).json() is True


def delete(client: Client, key: str, query: Query) -> bool:
    """Delete a key, or with ``recurse`` a prefix; False when the condition did not hold."""
    return client.delete(key_path(key), query).json() is True
