"""``event``: fire a user event."""

from agent.cli.client import segment
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import say


def event(call: Call) -> int:
    """``event -name=NAME [PAYLOAD]``."""
    call.expect_arguments(0, 1, "")
    if not call.text("name"):
        raise Failure("Event name must be specified: -name")
    payload = call.arguments[0].encode("utf-8", "surrogateescape") if call.arguments else b""
    query = [(name, call.text(name)) for name in ("node", "service", "tag") if call.text(name)]
    if call.text("datacenter"):
        query.append(("dc", call.text("datacenter")))
    with explaining("Error firing event"):
        fired = call.client.put(f"/v1/event/fire/{segment(call.text('name'))}", query, payload)
    say(f"Event ID: {fired.json()['ID']}")
    return 0
