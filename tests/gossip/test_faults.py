"""Nodes under loss, garbage and partitions, on real sockets with faults at their edge."""

import asyncio
import gc
import socket
import tracemalloc
from random import Random

import pytest

from gossip.core.effects import Change
from gossip.core.types import Address, Status
from gossip.endpoints import Endpoints
from gossip.errors import JoinError
from tests.gossip.nodes import Node, all_alive, make_node, running, until

NAMES = ("a", "b", "c")
GARBAGE_PACKETS = 6000
GARBAGE_STREAMS = 60
# Suspicion takes 0.6 s, and a probe 0.2 s.
QUICK = {"probe_interval_s": 0.2, "probe_timeout_s": 0.05, "push_pull_interval_s": 0.5}
SEVERAL_SUSPICIONS_S = 2.0


class LossyEndpoints(Endpoints):
    """Loses what it is told to lose, on the way out."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_packets = False
        self.loses_streams = False

    def send(self, packet: bytes, to: Address) -> None:
        if not self.loses_packets:
            super().send(packet, to)

    async def dial(self, to: Address) -> socket.socket:
        if self.loses_streams:
            raise TimeoutError
        return await super().dial(to)


class Pool:
    """Three nodes on networks that can be cut."""

    def __init__(self) -> None:
        self.networks = {name: LossyEndpoints() for name in NAMES}
        self.nodes: list[Node] = [
            make_node(name, endpoints=network, reconnect_interval_s=0.2, **QUICK)
            for name, network in self.networks.items()
        ]

    async def join(self) -> None:
        for node in self.nodes[1:]:
            await node.gossip.join([self.nodes[0].place])
        await until(lambda: all_alive(self.nodes, set(NAMES)), "all see all")

    def lose(self, *names: str, packets: bool = False, streams: bool = False) -> None:
        for name in names:
            self.networks[name].loses_packets = packets
            self.networks[name].loses_streams = streams

    def failures(self) -> list[tuple[str, str]]:
        """(who, whom) for each member that was ever told to have failed."""
        return [
            (node.name, name)
            for node in self.nodes
            for change, name in node.heard.changes
            if change is Change.FAILED
        ]


@pytest.mark.parametrize("streams", [False, True], ids=["only UDP is lost", "only TCP is lost"])
async def test_nobody_fails_while_one_way_is_left(streams: bool) -> None:
    pool = Pool()
    async with running(*pool.nodes):
        await pool.join()

        pool.lose(*NAMES, packets=not streams, streams=streams)
        await asyncio.sleep(SEVERAL_SUSPICIONS_S)

        assert [] == pool.failures()
        assert all_alive(pool.nodes, set(NAMES))
        if not streams:
            warned = pool.nodes[0].gossip.drop_counts
            assert warned["only TCP reaches this node, check UDP"] > 0


async def test_events_travel_without_streams() -> None:
    pool = Pool()
    async with running(*pool.nodes):
        await pool.join()
        pool.lose(*NAMES, streams=True)

        await pool.nodes[0].gossip.user_event("deploy", b"")

        await until(lambda: all(node.heard.events for node in pool.nodes), "all hear it")
        with pytest.raises(JoinError, match="i/o timeout"):
            await pool.nodes[0].gossip.join([pool.nodes[1].place])


async def test_events_travel_without_packets() -> None:
    pool = Pool()
    async with running(*pool.nodes):
        await pool.join()
        pool.lose(*NAMES, packets=True)

        await pool.nodes[0].gossip.user_event("deploy", b"")

        await until(lambda: all(node.heard.events for node in pool.nodes), "all hear it")


async def test_cut_off_node_fails_and_comes_back_when_the_cut_heals() -> None:
    pool = Pool()
    async with running(*pool.nodes):
        await pool.join()
        others = pool.nodes[:2]

        pool.lose("c", packets=True, streams=True)
        # The others still reach it over TCP, so their way must be cut as well.
        pool.lose("a", "b", streams=True)
        await until(
            lambda: all(node.statuses()["c"] is Status.FAILED for node in others), "c failed"
        )
        pool.lose(*NAMES)

        await until(lambda: all_alive(pool.nodes, set(NAMES)), "all see all again")
        # It learned what was said of it, and refuted that with a higher incarnation.
        assert all((node.name, "c") in pool.failures() for node in others)


def garbage(random: Random) -> bytes:
    """Bytes that look like a message to a different degree."""
    body = random.randbytes(random.randrange(1, 200))
    heads = [
        b"",
        b"\x07\xff",
        b"\x09\x82\xa4Algo\x00\xa3Buf\xda",
        b"\x04\x86",
        b"\x0c",
        b"\x08\x03",
    ]
    return heads[random.randrange(len(heads))] + body


async def test_garbage_changes_no_membership_and_takes_no_memory() -> None:
    nodes = [make_node(name, **QUICK) for name in NAMES]
    random = Random(1)
    async with running(*nodes):
        for node in nodes[1:]:
            await node.gossip.join([nodes[0].place])
        await until(lambda: all_alive(nodes, set(NAMES)), "all see all")
        port = nodes[0].gossip.address.port
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

            async def flood(count: int) -> None:
                for number in range(count):
                    stranger.sendto(garbage(random), ("127.0.0.1", port))
                    if number % 50 == 0:
                        await asyncio.sleep(0.005)

            await flood(500)  # what is allocated once does not count
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                await flood(GARBAGE_PACKETS)
                sent += GARBAGE_PACKETS
                gc.collect()  # what stays counts, not what other garbage kept the collector from
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

        assert after - before < 2_000_000
        assert sum(nodes[0].gossip.drop_counts.values()) > 0.8 * sent
        assert len(nodes[0].gossip.drop_counts) < 40
        assert all_alive(nodes, set(NAMES))
        assert [] == [c for n in nodes for c in n.heard.changes if c[0] is Change.FAILED]


async def test_garbage_streams_leave_room_for_others() -> None:
    random = Random(2)
    a, b = make_node("a"), make_node("b")
    async with running(a, b):
        for _ in range(GARBAGE_STREAMS):
            _, writer = await asyncio.open_connection("127.0.0.1", a.gossip.address.port)
            writer.write(garbage(random))
            await writer.drain()
            writer.close()

        assert 1 == await b.gossip.join([a.place])
        await until(lambda: all_alive([a, b], {"a", "b"}), "both see both")
