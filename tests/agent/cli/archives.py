"""Snapshot archives for tests."""

import hashlib
import io
import json
import tarfile
from typing import Any

from catalog.rows.kv import KeyValue
from catalog.snapshot import write_snapshot
from catalog.tables import SCHEMA


def archive(
    meta: dict[str, Any],
    state: bytes,
    *,
    summed_state: bytes | None = None,
    with_sums: bool = True,
) -> bytes:
    members = {"meta.json": json.dumps(meta).encode(), "state.bin": state}
    summed = {**members, "state.bin": state if summed_state is None else summed_state}
    if with_sums:
        lines = [f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in summed.items()]
        members["SHA256SUMS"] = "".join(lines).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return buffer.getvalue()


def state(indexes: dict[str, int], entries: list[KeyValue]) -> bytes:
    table = next(table for table in SCHEMA if table.row is KeyValue)
    return b"".join(write_snapshot(indexes, [(table, entries)]))
