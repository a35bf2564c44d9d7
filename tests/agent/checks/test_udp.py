import asyncio
import socket

from typing_extensions import override

from agent.checks.definition import CheckType
from agent.checks.udp import UdpProbe
from catalog.rows.check import CRITICAL, PASSING

MILLISECOND = 1_000_000


class Echo(asyncio.DatagramProtocol):
    @override
    def connection_made(self, transport):
        self.transport = transport

    @override
    def datagram_received(self, data, addr):
        self.transport.sendto(b"here", addr)


async def test_answer_is_passing_before_the_timeout():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    target = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    outcome = await UdpProbe(CheckType(udp=target)).run()
    transport.close()
    await asyncio.sleep(0)  # lets the loop close the socket

    assert outcome.status == PASSING
    assert f"UDP connect {target}: Success" == outcome.output


async def test_silence_is_passing_at_the_timeout():
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        outcome = await UdpProbe(CheckType(udp=target, timeout_ns=30 * MILLISECOND)).run()

    assert outcome.status == PASSING


async def test_refusal_by_the_host_is_critical():
    with socket.socket(type=socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{gone.getsockname()[1]}"

    outcome = await UdpProbe(CheckType(udp=target)).run()

    assert outcome.status == CRITICAL
    assert f"read udp {target}: connection refused" == outcome.output


async def test_malformed_target_is_critical():
    outcome = await UdpProbe(CheckType(udp="nowhere")).run()

    assert outcome.output == "dial udp: address nowhere: missing port in address"


async def test_unreachable_address_is_critical():
    outcome = await UdpProbe(CheckType(udp="255.255.255.255:9")).run()

    assert outcome.status == CRITICAL
    assert outcome.output == "dial udp 255.255.255.255:9: permission denied"
