import asyncio
import socket

import pytest

from agent.checks.definition import CheckType
from agent.checks.tcp import TcpProbe
from agent.checks.tls import ClientTls
from catalog.rows.check import CRITICAL, PASSING
from tests.agent.checks.loopback import hang_up, stream_server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_open_port_is_passing(host):
    async with stream_server(hang_up) as address:
        target = address.replace("127.0.0.1", host)
        outcome = await TcpProbe(CheckType(tcp=target), ClientTls()).run()

    assert outcome.status == PASSING
    assert f"TCP connect {target}: Success" == outcome.output


async def test_refused_connection_is_critical_and_names_the_address():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{deaf.getsockname()[1]}"
        outcome = await TcpProbe(CheckType(tcp=target), ClientTls()).run()

    assert outcome.status == CRITICAL
    assert f"dial tcp {target}: connect: connection refused" == outcome.output


async def test_malformed_target_is_critical():
    outcome = await TcpProbe(CheckType(tcp="nowhere"), ClientTls()).run()

    assert outcome.status == CRITICAL
    assert "missing port in address" in outcome.output


async def test_tls_is_shaken_hands_where_asked_for(server_tls, client_tls):
    async with stream_server(hang_up, tls=server_tls) as address:
        target = address
        wrong = await TcpProbe(CheckType(tcp=target, tcp_use_tls=True), client_tls).run()
        named = await TcpProbe(
            CheckType(tcp=target, tcp_use_tls=True, tls_server_name="web.test"), client_tls
        ).run()
        await asyncio.sleep(0)

    assert wrong.status == CRITICAL
    assert "failed to verify certificate" in wrong.output
    assert f"TCP+TLS connect {target}: Success" == named.output
