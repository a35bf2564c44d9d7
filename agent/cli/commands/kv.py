"""``kv``: read, write, export and import entries; values are bytes and stay exactly so."""

import base64
import binascii
import json
from typing import Any, Final

from agent.cli.client import Query, key_path
from agent.cli.command import Call
from agent.cli.failure import ApiError, Failure, explaining
from agent.cli.input import text_or_source
from agent.cli.output import WIDE_GAP, columns, say, tabbed_json, write

_NOT_FOUND: Final = 404
_MISSING_KEY: Final = "Error! Missing KEY argument"


def put(call: Call) -> int:
    """``kv put KEY [VALUE]``."""
    call.expect_arguments(1, 2, _MISSING_KEY)
    key = call.arguments[0]
    value = text_or_source(call.arguments[1]) if len(call.arguments) > 1 else b""
    if call.switch("base64"):
        value = _decoded(value.decode("ascii", "replace"))
    session = call.text("session")
    query: Query = [("flags", str(call.number("flags")))] if call.number("flags") else []
    if call.switch("acquire") or call.switch("release"):
        if not session:
            raise Failure("Error! Missing -session (required with -acquire and -release)")
        query.append(("acquire" if call.switch("acquire") else "release", session))
    elif call.switch("cas"):
        query.append(("cas", str(call.number("modify-index"))))
    with explaining("Error! Failed writing data"):
        written = call.client.put(key_path(key), query, value).json()
    return _report_put(call, key, written=written is True)


def _report_put(call: Call, key: str, *, written: bool) -> int:
    if call.switch("acquire"):
        if not written:
            raise Failure("Error! Did not acquire lock")
        say(f"Success! Lock acquired on: {key}")
    elif call.switch("release"):
        if not written:
            raise Failure("Error! Did not release lock")
        say(f"Success! Lock released on: {key}")
    elif not written:
        why = "CAS failed"
        if call.number("modify-index") == 0:
            why = "CAS performed with index=0 and key already exists."
        message = f"Error! Did not write to {key}: {why}"
        raise Failure(message)
    else:
        say(f"Success! Data written to: {key}")
    return 0


def get(call: Call) -> int:
    """``kv get [KEY]``."""
    call.expect_arguments(0, 1, _MISSING_KEY)
    key = call.arguments[0] if call.arguments else ""
    if call.switch("keys"):
        return _print_keys(call, key)
    if call.switch("recurse"):
        return _print_tree(call, key)
    if not key:
        raise Failure(_MISSING_KEY)
    with explaining("Error querying Consul agent"):
        entries = _entries(call, key, [])
    if not entries:
        message = f"Error! No key exists at: {key}"
        raise Failure(message)
    if call.switch("detailed"):
        write(_detailed(call, entries[0]) + b"\n")
    else:
        write(_shown_value(call, entries[0]) + b"\n")
    return 0


def _print_keys(call: Call, prefix: str) -> int:
    query = [("keys", ""), ("separator", call.text("separator"))]
    with explaining("Error querying Consul agent"):
        for name in _entries(call, prefix, query):
            say(name)
    return 0


def _print_tree(call: Call, prefix: str) -> int:
    with explaining("Error querying Consul agent"):
        entries = _entries(call, prefix, [("recurse", "")])
    for position, entry in enumerate(entries):
        if call.switch("detailed"):
            gap = b"\n" if position else b""
            write(gap + _detailed(call, entry) + b"\n")
        else:
            write(entry["Key"].encode() + b":" + _shown_value(call, entry) + b"\n")
    return 0


def _entries(call: Call, key: str, query: Query) -> list[Any]:
    """Return what the agent holds, or an empty list when that is nothing."""
    try:
        return call.client.get_json(key_path(key), query) or []
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return []
        raise


def _shown_value(call: Call, entry: dict[str, Any]) -> bytes:
    encoded: str = entry["Value"] or ""
    return encoded.encode() if call.switch("base64") else base64.b64decode(encoded)


def _detailed(call: Call, entry: dict[str, Any]) -> bytes:
    rows = [
        [name, str(entry.get(name, 0))]
        for name in ("CreateIndex", "Flags", "Key", "LockIndex", "ModifyIndex")
    ]
    rows.append(["Session", entry.get("Session") or "-"])
    text = columns([*rows, ["Value", ""]], WIDE_GAP)
    return text.encode() + _shown_value(call, entry)


def delete(call: Call) -> int:
    """``kv delete KEY_OR_PREFIX``."""
    call.expect_arguments(0, 1, _MISSING_KEY)
    key = call.arguments[0] if call.arguments else ""
    if not key and not call.switch("recurse"):
        raise Failure(_MISSING_KEY)
    if call.switch("cas") and call.switch("recurse"):
        raise Failure("Error! Cannot use -cas with -recurse")
    if call.switch("cas") and call.number("modify-index") == 0:
        raise Failure("Error! Must specify -modify-index with -cas")
    what = "prefix" if call.switch("recurse") else "key"
    query: Query = []
    if call.switch("recurse"):
        query.append(("recurse", ""))
    elif call.switch("cas"):
        query.append(("cas", str(call.number("modify-index"))))
    with explaining(f"Error! Failed deleting {what} {key}"):
        deleted = call.client.delete(key_path(key), query).json()
    if deleted is not True:
        message = f"Error! Did not delete key {key}: CAS failed"
        raise Failure(message)
    if call.switch("recurse"):
        say(f"Success! Deleted keys with prefix: {key}")
    else:
        say(f"Success! Deleted key: {key}")
    return 0


def export(call: Call) -> int:
    """``kv export [PREFIX]``: JSON that ``kv import`` reads back exactly."""
    call.expect_arguments(0, 1, "")
    prefix = call.arguments[0] if call.arguments else ""
    with explaining("Error querying Consul agent"):
        entries = _entries(call, prefix, [("recurse", "")])
    exported = [
        {"key": entry["Key"], "flags": entry["Flags"], "value": entry["Value"] or ""}
        for entry in entries
    ]
    say(tabbed_json(exported))
    return 0


def import_(call: Call) -> int:
    """``kv import DATA``: what ``kv export`` wrote, from text, ``@file`` or ``-``."""
    call.expect_arguments(1, 1, "Error! Missing DATA argument")
    for entry in _imported(text_or_source(call.arguments[0])):
        key = call.text("prefix") + entry["key"]
        query = [("flags", str(entry.get("flags", 0)))]
        with explaining(f"Error! Failed writing data for key {key}"):
            value = _decoded(entry.get("value") or "")
            written = call.client.put(key_path(key), query, value).json()
        if written is not True:
            message = f"Error! Failed writing data for key {key}"
            raise Failure(message)
        say(f"Imported: {key}")
    return 0


def _imported(raw: bytes) -> list[dict[str, Any]]:
    try:
        entries = json.loads(raw)
    except ValueError as error:
        message = f"Cannot unmarshal data: {error}"
        raise Failure(message) from error
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("key"), str) for entry in entries
    ):
        raise Failure('Cannot unmarshal data: must be a list of objects with "key" and "value"')
    return entries


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = f"Error! Cannot base64 decode data: {error}"
        raise Failure(message) from error
