"""The open connections of a filter chain: counted, and cut when their time is over."""

from collections.abc import Callable

from proxy.connection import Carrier, Handler


class OpenConnections:
    """A set of connections; ``hold`` brings one in, and it leaves when it has ended."""

    def __init__(self) -> None:
        self._open: dict[_Held, Carrier] = {}

    def __len__(self) -> int:
        return len(self._open)

    def hold(self, handler: Handler) -> Handler:
        """Give what a carrier drives in place of ``handler``.

        The connection is counted when the handler's ``connection_made`` has returned, so a handler
        that asks before then is told of the others alone.
        """
        return _Held(handler, self._open)

    @property
    def carriers(self) -> list[Carrier]:
        """Those of all connections, to be cut."""
        return list(self._open.values())


class _Held:
    """A handler, but for the beginning and the end of its connection.

    What is called for each chunk is the handler's own method: nothing is put in between.
    """

    __slots__ = (
        "_handler",
        "_is_over",
        "_open",
        "data_received",
        "eof_received",
        "pause_writing",
        "resume_writing",
    )

    def __init__(self, handler: Handler, opened: "dict[_Held, Carrier]") -> None:
        self._handler = handler
        self._open = opened
        self._is_over = False
        self.data_received: Callable[[bytes], None] = handler.data_received
        self.eof_received: Callable[[], bool] = handler.eof_received
        self.pause_writing: Callable[[], None] = handler.pause_writing
        self.resume_writing: Callable[[], None] = handler.resume_writing

    def connection_made(self, carrier: Carrier) -> None:
        self._handler.connection_made(carrier)
        if not self._is_over:
            self._open[self] = carrier

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        self._open.pop(self, None)
        self._handler.connection_lost(error)
