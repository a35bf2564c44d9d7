"""``exec``: run a command on many nodes through a KV job, an event, and the nodes' answers.

We write ``<prefix>/<session>/job``, fire the event ``_rexec`` that names the session, and read
what nodes write below ``<prefix>/<session>/<node>/``: ``ack``, ``out/<number>``, ``exit``.
Agents of real Consul speak the same. Source: surface.md §6, row exec.
"""

import base64
import json
import threading
from typing import Any, Final

from agent.cli import keys
from agent.cli.child import SHELL
from agent.cli.client import segment
from agent.cli.command import Call
from agent.cli.failure import EXIT_EMPTY_OR_CHILD, EXIT_OK, Failure, explaining
from agent.cli.flags import seconds
from agent.cli.input import file_or_stdin
from agent.cli.output import say, warn, write
from agent.cli.session import Session

EVENT_NAME: Final = "_rexec"
# While a node that acknowledged still works, silence is borne twice as long.
_WORKING_FACTOR: Final = 2


def run(call: Call) -> int:
    """``exec COMMAND...``, or ``exec -`` for a script from standard input."""
    call.expect_arguments(1, None, "Must specify a command to execute")
    if call.text("tag") and not call.text("service"):
        raise Failure("Cannot provide -tag filter without -service filter")
    if call.number("wait") <= 0:
        raise Failure("-wait must be positive")
    session = Session(call.client, "Remote Exec", behavior="delete", node=_session_node(call))
    with explaining("Failed to create session"):
        session.open()
    root = f"{call.text('prefix').strip('/')}/{session.id}"
    try:
        _submit(call, root, session.id)
        failed = _collect(call, root)
    except KeyboardInterrupt:
        warn("Interrupted")
        failed = True
    finally:
        with explaining("Failed to clean up the job"):
            session.close()
            keys.delete(call.client, f"{root}/", [("recurse", "")])
    return EXIT_EMPTY_OR_CHILD if failed else EXIT_OK


def _session_node(call: Call) -> str:
    """Node of the session: a server of the other datacenter; the agent's own is "" here."""
    if not call.text("datacenter"):
        return ""
    with explaining("Failed to find a server for the session"):
        servers = call.client.get_json("/v1/health/service/consul", [("passing", "1")])
    if not servers:
        raise Failure("Failed to find a server for the session: none is healthy")
    name: str = servers[0]["Node"]["Node"]
    return name


def _submit(call: Call, root: str, session_id: str) -> None:
    query = [("acquire", session_id)]
    with explaining("Failed to create job file"):
        if not keys.write(call.client, f"{root}/job", json.dumps(_job(call)).encode(), query):
            raise Failure("the session does not hold the key")
    # Agents read the job as soon as the event reaches them, from servers that may lag.
    threading.Event().wait(seconds(call.number("wait-repl")))
    payload = json.dumps({"Prefix": call.text("prefix").strip("/"), "Session": session_id})
    filters = [(name, call.text(name)) for name in ("node", "service", "tag") if call.text(name)]
    with explaining("Failed to fire event"):
        fired = call.client.put(f"/v1/event/fire/{segment(EVENT_NAME)}", filters, payload.encode())
    if call.switch("verbose"):
        say(f"Fired event {fired.json()['ID']}")


def _job(call: Call) -> dict[str, Any]:
    job: dict[str, Any] = {"Command": "", "Args": [], "Script": None}
    if call.arguments == ("-",):
        job["Script"] = base64.b64encode(file_or_stdin("-")).decode()
    elif call.switch("shell"):
        job["Args"] = [SHELL, "-c", " ".join(call.arguments)]
    else:
        job["Args"] = list(call.arguments)
    return {**job, "Wait": call.number("wait")}


def _collect(call: Call, root: str) -> bool:
    """Print answers until the nodes are silent; True when the command failed anywhere."""
    answers: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    exit_codes: dict[str, int] = {}
    index = 0
    while True:
        wait_ns = call.number("wait")
        if acknowledged - set(exit_codes):
            wait_ns *= _WORKING_FACTOR
        query = [("recurse", ""), ("index", str(index)), ("wait", f"{wait_ns}ns")]
        with explaining("Failed to read answers"):
            view = keys.read(call.client, f"{root}/", query)
        fresh = {
            entry.key.removeprefix(f"{root}/"): entry.value
            for entry in view.entries
            if entry.key.removeprefix(f"{root}/") not in answers
        }
        if not fresh and index:
            break
        index = view.index
        answers |= fresh
        for name in sorted(fresh, key=_order):
            node, _, kind = name.partition("/")
            if kind == "ack":
                acknowledged.add(node)
            elif kind == "exit":
                exit_codes[node] = int(fresh[name])
                say(f"==> {node}: finished with exit code {exit_codes[node]}")
            elif kind.startswith("out/"):
                _print_output(node, fresh[name])
    say(f"{len(exit_codes)} / {len(acknowledged)} node(s) completed / acknowledged")
    return any(exit_codes.values())


def _order(name: str) -> tuple[bool, str]:
    """A node's end after its last output."""
    return name.endswith("/exit"), name


def _print_output(node: str, output: bytes) -> None:
    for line in output.splitlines():
        write(f"    {node}: ".encode() + line + b"\n")
