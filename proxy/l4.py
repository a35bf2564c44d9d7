"""A TCP connection through the proxy: decided, dialled, and relayed both ways.

Source: Consul, intentions at layer 4.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from proxy.connection import Facts, Handler
from proxy.serving import Serving

Start = Callable[[str, Coroutine[Any, Any, None]], object]
"""Runs a coroutine as a task under a name: it is owned, and its failure is reported."""


class TcpProxy(Handler):
    """One accepted connection of a chain whose protocol is ``tcp``."""

    def __init__(
        self,
        serving: Serving,
        facts: Facts,
        *,
        start: Start,
        is_revoked: Callable[[str], bool],
    ) -> None:
        raise NotImplementedError
