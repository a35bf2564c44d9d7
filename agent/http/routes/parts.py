"""What routes share: the names of the parameters that most of them understand."""

from collections.abc import Awaitable, Callable
from typing import Final

from agent.http.call import Answer, Call
from agent.http.route import Local, Route

COMMON: Final = ("dc", "token", "pretty")
WRITE: Final = COMMON
READ: Final = (*COMMON, "index", "wait", "stale", "consistent", "max_stale")
LIST: Final = (*READ, "filter", "near", "node-meta")
SERVICE: Final = (*LIST, "tag", "cached")


def local(
    method: str,
    pattern: str,
    run: Callable[[Call], Awaitable[Answer]],
    summary: str,
    *params: str,
) -> Route:
    """A route that this agent answers by itself."""
    return Route(method, pattern, Local(run), summary, (*COMMON, *params))
