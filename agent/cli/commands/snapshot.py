"""``snapshot``: save, restore and inspect the whole state of the servers."""

import contextlib
import os
from pathlib import Path
from typing import Final

from agent.cli.archive import verify
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import read_file
from agent.cli.output import say, spaced_json

_MISSING_FILE: Final = "Missing FILE argument"
_PATH: Final = "/v1/snapshot"


def save(call: Call) -> int:
    """``snapshot save FILE``: the file appears only when it is whole and verified."""
    call.expect_arguments(1, 1, _MISSING_FILE)
    target = Path(call.arguments[0])
    with explaining("Error saving snapshot"):
        raw = call.client.get(_PATH).body
    with explaining("Error verifying snapshot file"):
        archive = verify(raw)
    partial = target.with_name(f"{target.name}.unverified")
    try:
        with partial.open("wb") as file:
            os.chmod(file.fileno(), 0o600)  # it holds every secret of the cluster
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        message = f"Error writing snapshot file: {error}"
        raise Failure(message) from error
    say(f"Saved and verified snapshot to index {archive.meta['Index']}")
    return 0


def restore(call: Call) -> int:
    """``snapshot restore FILE``."""
    call.expect_arguments(1, 1, _MISSING_FILE)
    raw = read_file(call.arguments[0])
    with explaining("Error restoring snapshot"):
        call.client.put(_PATH, [], raw)
    say("Restored snapshot")
    return 0


def inspect(call: Call) -> int:
    """``snapshot inspect FILE``: verify it and print its metadata."""
    call.expect_arguments(1, 1, _MISSING_FILE)
    if call.text("format") not in {"pretty", "json"}:
        message = f'-format must be pretty or json, not "{call.text("format")}"'
        raise Failure(message)
    raw = read_file(call.arguments[0])
    with explaining("Error reading snapshot"):
        archive = verify(raw)
    meta = {name: archive.meta.get(name) for name in ("ID", "Index", "Term", "Version")}
    fields = {"ID": meta["ID"], "Size": archive.meta.get("Size", archive.state_bytes), **meta}
    if call.text("format") == "json":
        say(spaced_json({"Meta": fields}, width=3))
        return 0
    for name, value in fields.items():
        say(f" {name:<12} {value}")
    return 0
