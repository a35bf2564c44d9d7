"""Calls on a connection over memory."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rpc import connection as connection_module
from agent.rpc import end as end_module
from agent.rpc import wire
from agent.rpc.connection import AnsweringEnd, Busy, CallingEnd, ConnectionLost
from agent.tasks import Tasks
from tests.agent.harness import until, within
from tests.agent.rpc.cluster import hello
from tests.agent.rpc.frames import FRAMES
from tests.agent.rpc.memory import HANDSHAKE_S, Echo, Joined, eavesdrop

# Calls.


async def test_answers_come_in_any_order(joined: Joined):
    slow = asyncio.create_task(joined.calling.call("wait", b"slow"))
    await until(lambda: joined.echo.begun == 1)

    quick = await within(joined.calling.call("echo", b"quick"))
    joined.echo.released.set()

    assert quick.body == b"quick"
    assert (await within(slow)).body == b"slow"
    assert (joined.calling.call_count, joined.answering.running_count) == (0, 0)


async def test_a_refusal_is_an_answer(joined: Joined):
    answer = await within(joined.calling.call("refuse", b""))

    assert isinstance(answer, wire.Error)
    assert (answer.kind, answer.text) == ("NoLeader", "No cluster leader")


async def test_frames_of_one_turn_leave_in_one_write(joined: Joined):
    before = joined.out.written_count, joined.back.written_count

    await within(asyncio.gather(*(joined.calling.call("echo", b"x") for _ in range(100))))

    assert (joined.out.written_count, joined.back.written_count) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("at_once", [True, False])
async def test_large_bodies_travel_in_parts_both_ways(joined: Joined, *, at_once: bool):
    joined.echo.at_once = at_once
    body = bytes(range(256)) * 4096 * 3 + b"tail"
    assert len(body) > 2 * wire.PART_BYTES

    answer = await within(joined.calling.call("echo", body))

    assert answer.body == body


async def test_a_caller_that_goes_away_cancels_the_work(joined: Joined):
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.echo.begun == 1)

    call.cancel()

    await until(lambda: joined.answering.running_count == 0)
    assert joined.echo.cancelled == 1
    assert joined.calling.call_count == 0


async def test_work_that_is_cancelled_before_it_began_is_forgotten(joined: Joined):
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.calling.call_count == 1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert (await within(joined.calling.call("echo", b"x"))).body == b"x"
    assert joined.answering.running_count == 0


async def test_an_answer_that_nobody_waits_for_is_dropped(tasks: Tasks):
    del tasks
    end = CallingEnd(hello(), HANDSHAKE_S)
    pipe, _ear = eavesdrop(end)

    pipe.write(b"".join(map(wire.encode, (hello(), wire.Part(7, b"x"), wire.Reply(7, b"y")))))

    await within(end.greeted())
    assert end.usable
    end.close("the test is over")


async def test_calls_of_a_lost_connection_may_have_been_received(joined: Joined):
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.echo.begun == 1)

    joined.back.abort()

    with pytest.raises(ConnectionLost) as lost:
        await within(call)
    assert lost.value.sent is True
    await until(lambda: joined.echo.cancelled == 1)


async def test_a_lost_connection_takes_no_call(joined: Joined):
    joined.calling.close("enough")

    with pytest.raises(ConnectionLost, match="enough") as lost:
        await within(joined.calling.call("echo", b""))
    assert lost.value.sent is False


async def test_a_retired_connection_ends_after_its_last_call(joined: Joined):
    call = asyncio.create_task(joined.calling.call("wait", b"x"))
    await until(lambda: joined.echo.begun == 1)

    joined.calling.retire()
    assert joined.calling.usable
    joined.echo.released.set()

    assert (await within(call)).body == b"x"
    assert not joined.calling.usable


# Limits.


async def test_calls_at_once_are_bounded_at_the_calling_end(joined: Joined, monkeypatch):
    monkeypatch.setattr(connection_module, "CALLS_MAX", 1)
    call = asyncio.create_task(joined.calling.call("wait", b""))
    await until(lambda: joined.echo.begun == 1)

    with pytest.raises(Busy):
        await joined.calling.call("echo", b"")
    joined.echo.released.set()
    await within(call)


async def test_requests_at_once_are_bounded_at_the_answering_end(tasks: Tasks, monkeypatch):
    monkeypatch.setattr(connection_module, "CALLS_MAX", 1)
    end = AnsweringEnd(hello(), HANDSHAKE_S, Echo(), tasks)
    pipe, ear = eavesdrop(end)
    requests = [wire.Request(number, "wait", b"") for number in (1, 2)]

    pipe.write(b"".join(map(wire.encode, (hello(), *requests))))

    await until(lambda: len(ear.frames) == 2)
    assert ear.frames[1] == wire.Error(2, "RpcError", str(Busy()))
    end.close("the test is over")


async def test_an_end_whose_answers_are_not_read_takes_no_more_requests(tasks: Tasks, monkeypatch):
    monkeypatch.setattr(end_module, "SEND_BUFFER_BYTES", 1000)
    echo = Echo()
    end = AnsweringEnd(hello(), HANDSHAKE_S, echo, tasks)
    pipe, ear = eavesdrop(end)
    pipe.write(wire.encode(hello()))
    await until(lambda: end.usable)
    answers = pipe.other
    assert answers is not None
    answers.blocked = True
    body = bytes(500)

    for number in range(1, 101):
        pipe.write(wire.encode(wire.Request(number, "echo", body)))
        await asyncio.sleep(0)

    assert answers.reading_paused
    assert answers.get_write_buffer_size() < 4000
    answers.unblock()
    await until(lambda: len(ear.frames) == 101)
    assert {frame.id for frame in ear.frames[1:]} == set(range(1, 101))
    end.close("the test is over")


async def test_many_answers_of_one_turn_do_not_pile_up(tasks: Tasks, monkeypatch):
    monkeypatch.setattr(end_module, "SEND_BUFFER_BYTES", 1000)
    end = AnsweringEnd(hello(), HANDSHAKE_S, Echo(), tasks)
    pipe, ear = eavesdrop(end)
    pipe.write(wire.encode(hello()))
    await until(lambda: end.usable)
    answers = pipe.other
    assert answers is not None
    answers.blocked = True

    requests = [wire.Request(number, "echo", bytes(500)) for number in range(1, 101)]
    pipe.write(b"".join(map(wire.encode, requests)))
    await until(lambda: end.running_count > 90)

    assert answers.get_write_buffer_size() < 4000
    answers.unblock()
    await until(lambda: len(ear.frames) == 101)
    end.close("the test is over")


async def test_a_caller_waits_while_the_socket_is_full_and_still_reads(joined: Joined, monkeypatch):
    monkeypatch.setattr(end_module, "SEND_BUFFER_BYTES", 1000)
    joined.out._high = 1000
    waiting = asyncio.create_task(joined.calling.call("wait", b"first"))
    await until(lambda: joined.echo.begun == 1)
    joined.out.blocked = True
    large = asyncio.create_task(joined.calling.call("echo", bytes(2000)))
    await until(lambda: joined.out.get_write_buffer_size() > 1000)
    blocked = asyncio.create_task(joined.calling.call("echo", b"late"))
    await asyncio.sleep(0)

    joined.echo.released.set()

    assert (await within(waiting)).body == b"first"
    assert joined.out.get_write_buffer_size() < 3000
    joined.out.unblock()
    assert (await within(large)).body == bytes(2000)
    assert (await within(blocked)).body == b"late"


async def test_a_call_that_waited_for_a_full_socket_was_not_sent(joined: Joined, monkeypatch):
    monkeypatch.setattr(end_module, "SEND_BUFFER_BYTES", 1000)
    joined.out._high = 1000
    joined.out.blocked = True
    large = asyncio.create_task(joined.calling.call("echo", bytes(2000)))
    await until(lambda: joined.out.get_write_buffer_size() > 1000)
    late = asyncio.create_task(joined.calling.call("echo", b"late"))
    await asyncio.sleep(0)

    joined.out.abort()

    outcomes = await within(asyncio.gather(large, late, return_exceptions=True))
    assert [outcome.sent for outcome in outcomes] == [True, False]


# Any frames.


async def converse(kind: str, frames: list[wire.Frame]) -> None:
    """Let an end take frames; it must end or stay usable, and leave nothing behind."""
    tasks = Tasks()
    end: CallingEnd | AnsweringEnd = (
        CallingEnd(hello(), HANDSHAKE_S)
        if kind == "calling"
        else AnsweringEnd(hello(), HANDSHAKE_S, Echo(), tasks)
    )
    pipe, ear = eavesdrop(end)
    pipe.write(b"".join(map(wire.encode, (hello(), *frames))))
    await until(lambda: end.usable or ear.left)
    if end.usable:
        pipe.write(wire.encode(wire.Ping()))
    await until(lambda: ear.left or wire.Pong() in ear.frames)
    end.close("the test is over")
    await until(lambda: ear.left)
    await tasks.close()
    if isinstance(end, AnsweringEnd):
        assert end.running_count == 0


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["calling", "answering"]), st.lists(FRAMES, max_size=12))
def test_any_frames_are_served_or_end_the_connection(kind: str, frames: list[wire.Frame]):
    asyncio.run(converse(kind, frames))
