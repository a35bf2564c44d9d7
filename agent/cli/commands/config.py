"""``config``: the central configuration entries."""

from typing import Any, Final

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import document_from
from agent.cli.output import say, spaced_json

_ONLY_NAMES: Final = {"mesh": "mesh", "proxy-defaults": "global"}


def write(call: Call) -> int:
    """``config write FILE``."""
    call.expect_arguments(1, 1, "Must provide exactly one positional argument to specify the file")
    entry = document_from(call.arguments[0])
    kind, entry_name = _identity(entry)
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


def _identity(entry: dict[str, Any]) -> tuple[str, str]:
    """Return kind and name; there is one entry of some kinds, which may leave its name out."""
    kind = _field(entry, "Kind")
    return kind, _field(entry, "Name") or _ONLY_NAMES.get(kind, "")


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
        filtered: Query = [("filter", call.text("filter"))] if call.text("filter") else []
        entries = call.client.get_json(f"/v1/config/{segment(kind)}", filtered) or []
    for entry in entries:
        say(_identity(entry)[1])
    return 0


def delete(call: Call) -> int:
    """``config delete -kind K -name N``, or ``-filename F`` of a file that names them."""
    file_name = call.text("filename")
    kind, name = _identity(document_from(file_name)) if file_name else _kind_and_name(call)
    path = f"/v1/config/{segment(kind)}/{segment(name)}"
    query: Query = []
    deleted: object = True
    with explaining(f"Error deleting config entry {kind}/{name}"):
        if call.switch("cas"):
            index = call.number("modify-index")
            if not index:
                raise Failure("Must specify -modify-index greater than 0 with -cas")
            query.append(("cas", str(index)))
            # Servers up to 1.9 do not look at the condition: it is looked at here first.
            deleted = call.client.get_json(path)["ModifyIndex"] == index
        deleted = deleted and call.client.delete(path, query).json()
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
