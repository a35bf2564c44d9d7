"""The router of either kind of agent: a server's answers here, a client agent's asks a server."""

from typing import TypeAlias

from agent.rpc.remote_router import RemoteRouter
from agent.rpc.router import Router

AnyRouter: TypeAlias = Router | RemoteRouter
