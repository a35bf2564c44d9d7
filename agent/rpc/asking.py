"""Asking on until somebody answers: one question over one connection, and how often it is repeated.

What is safe is repeated for as long as ``agent.rpc.patience`` says: anything that was not sent,
anything refused for want of a leader, and reads whose connection broke. A write that may have been
received is never repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from agent.rpc import wire
from agent.rpc.codec import BY_NAME, BadBody, decode_reply
from agent.rpc.connection import CallingEnd, ConnectionLost
from agent.rpc.patience import Patience
from agent.rpc.pool import Unreachable
from agent.rpc.refusal import RELAYED, from_frame
from agent.rpc.request import NoLeader, ReadRequest, Reply, Request, RpcError
from agent.rpc.server import Random
from agent.rpc.table import BY_REQUEST, is_repeatable

_log = structlog.get_logger("agent.rpc")
T = TypeVar("T")


async def ask(connection: CallingEnd, name: str, body: bytes) -> Reply:
    """Call an endpoint once. Raises ConnectionLost, or what the other end raised."""
    frame = await connection.call(name, body)
    if isinstance(frame, wire.Error):
        raise from_frame(frame)
    try:
        return decode_reply(BY_NAME[name], frame.body)
    except BadBody as error:
        raise RpcError(f"{RELAYED}{name}: the answer cannot be read: {error}") from None


async def until_answered(
    request: Request,
    attempt: Callable[[], Awaitable[T]],
    *,
    hold_s: float,
    rng: Random,
    now_s: Callable[[], float],
) -> T:
    """The outcome of the first attempt that nothing kept from being answered.

    ``hold_s`` is the hold time, ``now_s`` a monotonic clock. Raises what a refused attempt raised,
    and an error that ends the patience or forbids to ask again.
    """
    patience = Patience(hold_s, now_s(), blocks=blocks(request))
    while True:
        try:
            return await attempt()
        except (ConnectionLost, Unreachable, NoLeader) as error:
            if not _may_repeat(request, error):
                raise RpcError(f"{RELAYED}{unanswered(request, str(error))}") from None
            pause_s = patience.pause_s(error, now_s(), rng)
            if pause_s is None:
                raise _final(error) from None
            _log.debug("asking again", request=type(request).__name__, error=str(error))
        await asyncio.sleep(pause_s)


async def in_time(request: Request, answer: Awaitable[T], limit_s: float | None) -> T:
    """The answer, if it comes within ``limit_s`` (None: whenever). Raises RpcError if not."""
    try:
        async with asyncio.timeout(limit_s):
            return await answer
    except TimeoutError:
        raise RpcError(f"{RELAYED}{unanswered(request, 'no answer in time')}") from None


def blocks(request: Request) -> bool:
    """Whether a request is a read that may wait for a change."""
    return isinstance(request, ReadRequest) and request.min_index > 0


def unanswered(request: Request, reason: str) -> str:
    """What a caller is told of a request that nobody answered."""
    if is_repeatable(BY_REQUEST[type(request)]):
        return reason
    return f"{reason}; the write's outcome is unknown"


def _may_repeat(request: Request, error: Exception) -> bool:
    if isinstance(error, ConnectionLost):
        return not error.sent or is_repeatable(BY_REQUEST[type(request)])
    return True


def _final(error: Exception) -> Exception:
    """What the caller learns when asking again was of no use."""
    return (
        RpcError(f"{RELAYED}{error}") if isinstance(error, ConnectionLost | Unreachable) else error
    )
