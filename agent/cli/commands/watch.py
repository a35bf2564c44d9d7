"""``watch``: print a view of the API, or run a command each time that the view changes."""

import json
import os
import signal
import subprocess
import threading
from typing import Any, Final

import msgspec

from agent.cli.child import command_line
from agent.cli.client import Query, Response, key_path, segment
from agent.cli.command import Call
from agent.cli.failure import ApiError, Failure, explaining
from agent.cli.output import say, spaced_json, warn

RETRY_S: Final = 5.0  # first pause after a failed query; grows by as much each time
RETRY_S_MAX: Final = 180.0
_NOT_FOUND: Final = 404
_TYPES: Final = "key, keyprefix, services, nodes, service, checks, event or connect_roots"


class Source(msgspec.Struct, frozen=True):
    """What is asked for: ``pairs`` is "one" or "many" when the answer holds KV entries."""

    path: str
    query: list[tuple[str, str]] = []
    pairs: str = ""


def watch(call: Call) -> int:
    """``watch -type=T [COMMAND...]``."""
    source = _source(call)
    if not call.arguments:
        with explaining("Error querying Consul agent"):
            _, view = _look(call, source, 0)
        say(spaced_json(view))
        return 0
    # A stop signal ends the running command too: subprocess.run kills it on any exception.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _follow(call, source)
    except KeyboardInterrupt:
        return 0
    return 0


def _source(call: Call) -> Source:
    match call.text("type"):
        case "":
            message = f"Must specify a watch type with -type: {_TYPES}"
            raise Failure(message)
        case "key":
            return Source(key_path(_required(call, "key")), pairs="one")
        case "keyprefix":
            return Source(key_path(_required(call, "prefix")), [("recurse", "")], pairs="many")
        case "services":
            return Source("/v1/catalog/services")
        case "nodes":
            return Source("/v1/catalog/nodes")
        case "service":
            query: Query = [("tag", tag) for tag in call.texts("tag")]
            if call.switch("passingonly"):
                query.append(("passing", "1"))
            return Source(f"/v1/health/service/{segment(_required(call, 'service'))}", query)
        case "checks":
            return _checks(call)
        case "event":
            name = call.text("name")
            return Source("/v1/event/list", [("name", name)] if name else [])
        case "connect_roots":
            return Source("/v1/connect/ca/roots")
        case unknown:
            message = f'Unsupported watch type "{unknown}": must be {_TYPES}'
            raise Failure(message)


def _checks(call: Call) -> Source:
    service, state = call.text("service"), call.text("state")
    if service and state:
        raise Failure("Cannot specify both -service and -state")
    if service:
        return Source(f"/v1/health/checks/{segment(service)}")
    return Source(f"/v1/health/state/{segment(state or 'any')}")


def _required(call: Call, flag: str) -> str:
    if not call.text(flag):
        message = f"Must specify -{flag} with -type={call.text('type')}"
        raise Failure(message)
    return call.text(flag)


def _follow(call: Call, source: Source) -> None:
    """Run the command on the first view and on each different one, for ever."""
    index, failures = 0, 0
    seen: list[Any] = []  # the last view, once there is one; a view itself may be None
    while True:
        try:
            found, view = _look(call, source, index)
        except Failure as failure:
            failures += 1
            pause_s = min(RETRY_S * failures, RETRY_S_MAX)
            warn(f"Watch failed: {failure}; next try in {pause_s:.0f} s")
            threading.Event().wait(pause_s)
            index = 0
            continue
        failures = 0
        # Indexes of events are hashes. Any other that goes back means a restored state, which
        # must be read from the beginning.
        index = found if found >= index or call.text("type") == "event" else 0
        if seen != [view]:
            seen = [view]
            _run(call, view, found)


def _run(call: Call, view: Any, index: int) -> None:
    argv = command_line(call.arguments, shell=call.switch("shell"))
    try:
        subprocess.run(  # noqa: S603 - running the user's command is the point
            argv,
            input=json.dumps(view, separators=(",", ":")).encode() + b"\n",
            env={**os.environ, "CONSUL_INDEX": str(index)},
            check=False,
        )
    except OSError as error:
        message = f"Error executing handler: {argv[0]}: {(error.strerror or '').lower()}"
        raise Failure(message) from error


def _look(call: Call, source: Source, index: int) -> tuple[int, Any]:
    """Return the next view and its index, after the state with ``index``."""
    query = source.query + ([("index", str(index))] if index else [])
    try:
        answer = call.client.get(source.path, query)
    except ApiError as error:
        if source.pairs and error.status == _NOT_FOUND:
            return error.index, None
        raise
    return answer.index, _view(source, answer)


def _view(source: Source, answer: Response) -> Any:
    decoded = answer.json()
    if not source.pairs:
        return decoded
    pairs = [_pair(entry) for entry in decoded]
    return pairs[0] if source.pairs == "one" else pairs


def _pair(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as watch handlers know it: with a session even when it is empty."""
    fields = ("Key", "CreateIndex", "ModifyIndex", "LockIndex", "Flags", "Value")
    return {**{name: entry[name] for name in fields}, "Session": entry.get("Session", "")}
