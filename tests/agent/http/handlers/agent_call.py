"""Calls to the handlers of this agent's own registrations, without a server."""

from types import SimpleNamespace

from agent.http.call import Call, Query
from tests.agent.local.fakes import Local


def make_call(
    local: Local,
    *,
    query: str = "",
    body: bytes | str = b"",
    headers: dict[str, str] | None = None,
    **path: str,
) -> Call:
    """A call with its path's arguments as keywords."""
    front = SimpleNamespace(local=local.agent, datacenter="dc1", node_name="n1")
    content = body.encode() if isinstance(body, str) else body
    call = Call(front, "PUT", "/", Query(query), headers or {}, content, "127.0.0.1")
    call.path.update(path)
    return call
