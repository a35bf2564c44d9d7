from proxy.connection import Carrier, Handler
from proxy.open_connections import OpenConnections
from tests.proxy.fakes import FakeCarrier


class Recorded(Handler):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, carrier: Carrier) -> None:
        self.told.append("made")

    def data_received(self, chunk: bytes) -> None:
        self.told.append(chunk)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def test_a_connection_is_counted_from_its_beginning_to_its_end() -> None:
    connections = OpenConnections()
    held = connections.hold(Recorded())
    assert 0 == len(connections)

    held.connection_made(FakeCarrier(held))
    assert 1 == len(connections)

    held.connection_lost(None)
    assert 0 == len(connections)


def test_the_handler_is_told_all_that_happens() -> None:
    handler = Recorded()
    held = OpenConnections().hold(handler)

    held.connection_made(FakeCarrier(held))
    held.data_received(b"x")
    held.pause_writing()
    held.resume_writing()
    assert held.eof_received()
    held.connection_lost(None)

    assert ["made", b"x", "pause", "resume", "eof", "lost"] == handler.told


def test_a_connection_that_ends_while_it_begins_is_not_counted() -> None:
    class Refusing(Recorded):
        def connection_made(self, carrier: Carrier) -> None:
            carrier.abort()

    connections = OpenConnections()
    held = connections.hold(Refusing())

    held.connection_made(FakeCarrier(held))

    assert 0 == len(connections)


def test_all_that_are_open_can_be_cut() -> None:
    connections = OpenConnections()
    handlers = [Recorded() for _ in range(3)]
    for handler in handlers:
        held = connections.hold(handler)
        held.connection_made(FakeCarrier(held))

    for carrier in connections.carriers:
        carrier.abort()

    assert 0 == len(connections)
    assert [["made", "lost"]] * 3 == [handler.told for handler in handlers]
