"""Accepting: from a listening socket to a handler of the filter chain that a connection is for.

Source: Consul, connect protocol; Envoy's filter chain match.
"""

import socket
from collections.abc import Callable, Sequence

from proxy.api import Listener
from proxy.connection import Facts, Handler
from proxy.serving import Serving
from proxy.tls import Contexts

HandlerOf = Callable[[Serving, Facts], Handler]


def bind(listener: Listener) -> socket.socket:
    """A listening socket for a listener. Raises OSError."""
    raise NotImplementedError


class Acceptor:
    """Accepts at one listening socket."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        listener: Callable[[], Listener],
        chains: Callable[[], Sequence[Serving]],
        contexts: Contexts,
        handler_of: HandlerOf,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Begin to accept."""
        raise NotImplementedError

    def stop(self) -> socket.socket:
        """Accept no more; connections in their handshake go on. The socket is the caller's."""
        raise NotImplementedError
