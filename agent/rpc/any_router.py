"""The router of either kind of agent: a server's answers what it may, a client's asks a server."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent.rpc.remote_router import RemoteRouter
    from agent.rpc.server_router import ServerRouter  # a client does without

AnyRouter: TypeAlias = "ServerRouter | RemoteRouter"
