"""What both ends of a connection do, over memory."""

import asyncio
from collections.abc import Callable

import pytest

from agent.rpc import end as end_module
from agent.rpc import wire
from agent.rpc.connection import AnsweringEnd, CallingEnd, ConnectionLost
from agent.tasks import Tasks
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import hello
from tests.agent.rpc.memory import HANDSHAKE_S, Echo, Joined, eavesdrop

# Hello.


async def test_each_end_learns_who_the_other_is(joined: Joined):
    await until(lambda: joined.answering.usable)

    assert joined.calling.peer is not None
    assert (joined.calling.peer.node, joined.calling.peer.role) == ("server-1", "server")
    assert joined.answering.peer == hello()


async def test_an_end_that_says_no_hello_is_left(tasks: Tasks):
    end = AnsweringEnd(hello(), 0.01, Echo(), tasks)
    _pipe, ear = eavesdrop(end)

    await within(end.ended())
    await until(lambda: ear.left)

    assert end.lost_reason == "no hello in time"


async def test_an_end_waits_for_ever_for_a_hello_when_there_is_no_limit(tasks: Tasks):
    end = AnsweringEnd(hello(), 0.0, Echo(), tasks)
    pipe, _ear = eavesdrop(end)
    await asyncio.sleep(0.005)

    pipe.write(wire.encode(hello()))

    await until(lambda: end.usable)
    end.close("the test is over")


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([wire.Request(1, "echo", b"")], "the first frame is no hello"),
        ([hello(), hello()], "a second hello"),
        ([wire.Hello("n", "i", "dc1", wire.Role.CLIENT, version=9)], "protocol version 9"),
        ([hello(), wire.Reply(1, b"")], "Reply is for the calling end"),
        ([hello(), wire.Request(0, "echo", b"")], "request id 0 is not positive"),
        ([hello(), *[wire.Request(3, "wait", b"")] * 2], "request id 3 is not positive or in use"),
    ],
)
async def test_an_end_that_breaks_the_rules_is_told_and_left(
    tasks: Tasks, frames: list[wire.Frame], reason: str
):
    end = AnsweringEnd(hello(), HANDSHAKE_S, Echo(), tasks)
    pipe, ear = eavesdrop(end)

    pipe.write(b"".join(map(wire.encode, frames)))

    await until(lambda: ear.left)
    last = ear.frames[-1]
    assert isinstance(last, wire.Error)
    assert last.id == wire.CONNECTION_ID
    assert reason in last.text
    assert last.text == end.lost_reason


async def test_bytes_that_are_no_frame_end_the_connection(tasks: Tasks):
    end = AnsweringEnd(hello(), HANDSHAKE_S, Echo(), tasks)
    pipe, ear = eavesdrop(end)

    pipe.write(b"GET / HTTP/1.1\r\n\r\n")

    await until(lambda: ear.left)
    assert "exceeds" in end.lost_reason


async def test_a_calling_end_refuses_requests(tasks: Tasks):
    del tasks
    end = CallingEnd(hello(), HANDSHAKE_S)
    pipe, _ear = eavesdrop(end)

    pipe.write(wire.encode(hello()) + wire.encode(wire.Request(1, "echo", b"")))

    await within(end.ended())
    assert end.lost_reason == "Request is for the answering end"


async def test_a_refused_connection_says_why(tasks: Tasks):
    del tasks
    end = CallingEnd(hello(), HANDSHAKE_S)
    pipe, _ear = eavesdrop(end)

    pipe.write(wire.encode(wire.Error(wire.CONNECTION_ID, "RpcError", "too many")))

    with pytest.raises(ConnectionLost, match="too many") as lost:
        await within(end.greeted())
    assert lost.value.sent is False


# Keepalive.


@pytest.fixture
def ticks(monkeypatch) -> Callable[[float], None]:
    """Set the interval of the pings."""
    return lambda interval_s: monkeypatch.setattr(end_module, "KEEPALIVE_INTERVAL_S", interval_s)


async def test_pings_are_answered_and_keep_an_idle_connection(ticks, tasks: Tasks):
    ticks(0.005)
    joined = Joined(tasks)
    await within(joined.calling.greeted())
    written = joined.back.written_count

    await until(lambda: joined.back.written_count > written + 4)

    assert joined.calling.usable
    assert joined.answering.usable
    joined.calling.close("the test is over")


async def test_an_end_that_fell_silent_is_left(ticks, tasks: Tasks):
    ticks(0.005)
    joined = Joined(tasks)
    await within(joined.calling.greeted())
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.echo.begun == 1)

    joined.back.blocked = joined.out.blocked = True

    with pytest.raises(ConnectionLost, match="no answer to a ping"):
        await within(call)
    await within(joined.answering.ended())


async def test_servers_of_a_datacenter_leave_a_silent_one_sooner(monkeypatch, tasks: Tasks):
    monkeypatch.setattr(end_module, "SERVERS_KEEPALIVE_INTERVAL_S", 0.005)
    joined = Joined(tasks, wire.Role.SERVER)
    await within(joined.calling.greeted())
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.echo.begun == 1)

    joined.back.blocked = joined.out.blocked = True

    with pytest.raises(ConnectionLost, match="no answer to a ping"):
        await within(call)


async def test_what_cannot_be_delivered_is_dropped_in_the_end(joined: Joined, monkeypatch):
    monkeypatch.setattr(end_module, "CLOSE_GRACE_S", 0.01)
    joined.out.blocked = True

    joined.calling.close("enough")

    await until(lambda: joined.out.aborted)
