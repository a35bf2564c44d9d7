"""``snapshot``: save, restore and inspect the whole state of the servers."""

import contextlib
import os
from pathlib import Path
from typing import Final

from agent.cli.archive import verify
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import read_file
from agent.cli.output import WIDE_GAP, busy, columns, say, spaced_json
from agent.cli.records import shares, shown_size

_MISSING_FILE: Final = "Missing FILE argument"
_PATH: Final = "/v1/snapshot"


def save(call: Call) -> int:
    """``snapshot save FILE``: the file appears only when it is whole and verified."""
    call.expect_arguments(1, 1, _MISSING_FILE)
    target = Path(call.arguments[0])
    with explaining("Error saving snapshot"), busy("Saving the snapshot"):
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
    with explaining("Error restoring snapshot"), busy("Restoring the snapshot"):
        call.client.put(_PATH, [], raw)
    say("Restored snapshot")
    return 0


def inspect(call: Call) -> int:
    """``snapshot inspect FILE``: verify it, print its metadata and what it consists of."""
    call.expect_arguments(1, 1, _MISSING_FILE)
    if call.text("format") not in {"pretty", "json"}:
        message = f'-format must be pretty or json, not "{call.text("format")}"'
        raise Failure(message)
    raw = read_file(call.arguments[0])
    with explaining("Error reading snapshot"):
        archive = verify(raw)
    meta = {name: archive.meta.get(name) for name in ("ID", "Size", "Index", "Term", "Version")}
    found = shares(archive.state)
    total_bytes = sum(share.size_bytes for share in found)
    if call.text("format") == "json":
        stats = [
            {"Name": share.name, "Sum": share.size_bytes, "Count": share.count} for share in found
        ]
        say(spaced_json({"Meta": meta, "Stats": stats, "Offset": total_bytes}, width=3))
        return 0
    say(columns([[f" {name}", str(value)] for name, value in meta.items()], WIDE_GAP))
    if found:
        rule = [" ----", "----", "----"]
        rows = [
            [f" {share.name}", str(share.count), shown_size(share.size_bytes)] for share in found
        ]
        total = [" Total", "", shown_size(total_bytes)]
        say("")
        say(columns([[" Type", "Count", "Size"], rule, *rows, rule, total], WIDE_GAP))
    return 0
