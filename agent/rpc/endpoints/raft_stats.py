"""How far one server is with the log, as autopilot asks. Source: Consul, Status.RaftStats."""

from typing import Final, Protocol

import msgspec

from agent.rpc.request import ReadRequest
from catalog.read import Read

NEVER_NS: Final = -1  # the leader was never heard


class RaftStats(msgspec.Struct, frozen=True, kw_only=True):
    """The server's own newest entry, and nanoseconds since it heard the leader (-1: never).

    ``cluster``: the id of the cluster it belongs to, in hex; empty before it belongs to one.
    """

    last_contact_ns: int
    last_term: int
    last_index: int
    cluster: str = ""


class RaftStatsGet(ReadRequest, frozen=True, kw_only=True):
    """How far the asked server itself is; never forwarded."""


class State(Protocol):
    """What a server knows of itself."""

    def raft_stats(self) -> RaftStats:
        """See RaftStatsGet."""


class Server(Protocol):
    """A server's context, as far as this endpoint needs it."""

    @property
    def state(self) -> State:
        """What the server knows of itself."""


def raft_stats(_read: Read, _request: RaftStatsGet, server: Server) -> RaftStats:
    """See RaftStatsGet."""
    return server.state.raft_stats()
