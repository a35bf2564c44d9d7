"""Tells the servers this node's network coordinate, less often in larger clusters.

All agents together send at most ``sync_coordinate_rate_target`` updates a second.
Source: surface §8, Coordinates.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from agent.config import RuntimeConfig
from agent.rpc.request import RpcError
from agent.rpc.server import Random
from catalog.duration import SECOND
from catalog.errors import CatalogError
from catalog.rows.node import Coord, Coordinate
from raft.errors import RaftError

_log = structlog.get_logger("agent.coordinates")

Send = Callable[[Coordinate], Awaitable[object]]


def interval_s(node_count: int, config: RuntimeConfig) -> float:
    """Seconds between two updates of one agent, before the stagger."""
    internal = config.internal
    minimum_s = internal.sync_coordinate_interval_min / SECOND
    return max(minimum_s, node_count / internal.sync_coordinate_rate_target)


async def send_coordinates(
    config: RuntimeConfig,
    *,
    own: Callable[[], Coord],
    node_count: Callable[[], int],
    send: Send,
    rng: Random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send until cancelled; returns at once when coordinates are off.

    Each wait is the interval and up to one more at random, so that agents that were started
    together do not send together. What is not taken is sent anew the next time.
    """
    if config.disable_coordinates:
        return
    while True:
        wait_s = interval_s(node_count(), config)
        await sleep(wait_s + wait_s * rng.random())
        try:
            await send(Coordinate(node=config.node_name, coord=own()))
        except (RpcError, CatalogError, RaftError) as error:
            _log.warning("coordinate not sent", error=str(error))
