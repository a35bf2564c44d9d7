"""The sender of coordinates."""

import asyncio

import pytest

from agent.membership.coordinates import interval_s, send_coordinates
from agent.rpc.request import NoLeader
from catalog.errors import Invalid
from catalog.rows.node import Coord, Coordinate
from raft.errors import OutcomeUnknown
from tests.agent.membership.agents import make_config


class Half:
    """A generator without surprises."""

    def random(self) -> float:
        return 0.5

    def shuffle(self, x: list) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(("nodes", "expected_s"), [(1, 15.0), (960, 15.0), (6400, 100.0)])
def test_larger_clusters_send_less_often(nodes, expected_s):
    assert expected_s == interval_s(nodes, make_config())


async def test_coordinates_are_sent_after_each_interval_whatever_the_servers_say():
    sent: list[Coordinate] = []
    waits: list[float] = []

    async def send(coordinate: Coordinate) -> None:
        sent.append(coordinate)
        raise (NoLeader, Invalid, OutcomeUnknown)[len(sent) % 3]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await send_coordinates(
            make_config(),
            own=lambda: Coord(height=1.0 + len(sent)),
            node_count=lambda: 1,
            send=send,
            rng=Half(),
            sleep=sleep,
        )

    assert [22.5] * 5 == waits
    assert [
        Coordinate(node="node-a", coord=Coord(height=height)) for height in (1.0, 2.0, 3.0, 4.0)
    ] == sent


async def test_nothing_is_sent_when_coordinates_are_off():
    async def send(_coordinate: Coordinate) -> None:
        raise AssertionError("nobody asked")

    await send_coordinates(
        make_config(disable_coordinates=True),
        own=Coord,
        node_count=lambda: 1,
        send=send,
        rng=Half(),
    )
