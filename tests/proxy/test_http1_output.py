from proxy.connection import Handler
from proxy.http1_output import Output
from tests.proxy.http_world import Wire, World


def make() -> tuple[World, Wire, Output]:
    world = World()
    wire = Wire(Handler.__new__(type("Quiet", (Handler,), {})))
    return world, wire, Output(wire, world.call_later)


def test_what_is_held_goes_out_with_what_follows():
    world, wire, output = make()
    output.hold(b"head")
    assert b"" == wire.written
    output.write(b"body")
    output.write(b"more")
    world.advance()
    assert (b"headbodymore", 2) == (wire.written, wire.writes)


def test_what_nothing_follows_goes_out_at_the_end_of_the_turn():
    world, wire, output = make()
    output.hold(b"head")
    world.advance()
    output.hold(b"head")
    world.advance()
    assert (b"headhead", 2) == (wire.written, wire.writes)


def test_flushing_nothing_writes_nothing():
    _, wire, output = make()
    output.flush()
    assert 0 == wire.writes
