"""``config``: the central configuration entries."""

from typing import Any

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import document_from
from agent.cli.output import say, spaced_json


def write(call: Call) -> int:
    """``config write FILE``."""
    call.expect_arguments(1, 1, "Must provide exactly one positional argument to specify the file")
    entry = document_from(call.arguments[0])
    kind, entry_name = _field(entry, "Kind"), _field(entry, "Name")
    query: Query = []
    if call.switch("cas"):
        query.append(("cas", str(call.number("modify-index"))))
    with explaining(f"Error writing config entry {kind}/{entry_name}"):
        written = call.client.put_json("/v1/config", entry, query)
    if written is not True:
        message = f"Config entry not updated: {kind}/{entry_name}"
        raise Failure(message)
    say(f"Config entry written: {kind}/{entry_name}")
    return 0


def _field(entry: dict[str, Any], name: str) -> str:
    """Return a field in either spelling, ``Kind`` or ``kind``."""
    return str(entry.get(name) or entry.get(name.lower()) or "")


def read(call: Call) -> int:
    """``config read -kind K -name N``: JSON."""
    kind, name = _kind_and_name(call)
    with explaining(f"Error reading config entry {kind}/{name}"):
        entry = call.client.get_json(f"/v1/config/{segment(kind)}/{segment(name)}")
    say(spaced_json(entry))
    return 0


def list_(call: Call) -> int:
    """``config list -kind K``: names, one a line."""
    call.expect_arguments(0, 0, "")
    kind = call.text("kind")
    if not kind:
        raise Failure("Must specify the -kind parameter")
    with explaining(f"Error listing config entries for kind {kind}"):
        entries = call.client.get_json(f"/v1/config/{segment(kind)}") or []
    for entry in entries:
        say(entry["Name"])
    return 0


def delete(call: Call) -> int:
    """``config delete -kind K -name N``."""
    kind, name = _kind_and_name(call)
    query: Query = []
    if call.switch("cas"):
        if not call.number("modify-index"):
            raise Failure("Must specify -modify-index greater than 0 with -cas")
        query.append(("cas", str(call.number("modify-index"))))
    with explaining(f"Error deleting config entry {kind}/{name}"):
        deleted = call.client.delete(f"/v1/config/{segment(kind)}/{segment(name)}", query).json()
    if deleted is False:
        message = f"Config entry not deleted: {kind}/{name}"
        raise Failure(message)
    say(f"Config entry deleted: {kind}/{name}")
    return 0


def _kind_and_name(call: Call) -> tuple[str, str]:
    call.expect_arguments(0, 0, "")
    for flag in ("kind", "name"):
        if not call.text(flag):
            message = f"Must specify the -{flag} parameter"
            raise Failure(message)
    return call.text("kind"), call.text("name")
