"""A snapshot archive: a gzip tar of ``meta.json``, ``state.bin`` and ``SHA256SUMS``.

The sums cover the other two members, so that a cut or damaged file is found before it is
restored. Source: surface.md §1.11.
"""

import hashlib
import io
import json
import tarfile
from typing import Any, Final

import msgspec

from agent.cli.failure import Failure

_MEMBERS: Final = ("meta.json", "state.bin", "SHA256SUMS")
_DAMAGE: Final = (OSError, EOFError, ValueError, KeyError, tarfile.TarError)


class Archive(msgspec.Struct, frozen=True):
    """A verified archive: ``meta.json`` and ``state.bin``."""

    meta: dict[str, Any]
    state: bytes


def verify(raw: bytes) -> Archive:
    """Check every sum. Raises Failure saying what is wrong with the archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as tar:
            members = {name: _read(tar, name) for name in _MEMBERS}
        sums = _sums(members["SHA256SUMS"].decode())
        meta = json.loads(members["meta.json"])
    except _DAMAGE as error:
        message = f"failed to read snapshot archive: {error}"
        raise Failure(message) from error
    for name in ("meta.json", "state.bin"):
        if hashlib.sha256(members[name]).hexdigest() != sums.get(name):
            message = f'hash check failed for "{name}"'
            raise Failure(message)
    return Archive(meta, members["state.bin"])


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def _sums(text: str) -> dict[str, str]:
    """Sum by file name of ``sha256sum`` lines: the sum, two spaces, the name."""
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return {name.lstrip("*"): digest for digest, name in lines}
