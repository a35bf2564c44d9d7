import socket

from agent.checks.definition import CheckType
from agent.checks.h2ping import H2PingProbe
from agent.checks.tls import ClientTls
from catalog.rows.check import CRITICAL, PASSING
from tests.agent.checks.loopback import h2_server, hang_up, silent, stream_server


async def probe(target, client_tls=None, **fields):
    return await H2PingProbe(CheckType(h2ping=target, **fields), client_tls or ClientTls()).run()


async def test_answered_ping_is_passing():
    async with h2_server() as address:
        outcome = await probe(address, h2ping_use_tls=False)

    assert (outcome.status, outcome.output) == (PASSING, "HTTP2 ping was successful")


async def test_tls_is_the_default(server_tls):
    async with h2_server(tls=server_tls) as address:
        outcome = await probe(address, tls_skip_verify=True)

    assert outcome.status == PASSING


async def test_refused_connection_is_critical():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        outcome = await probe(address)

    assert outcome.output == (
        f"Failed to dial to {address}: dial tcp {address}: connect: connection refused"
    )


async def test_silence_is_critical_at_the_timeout():
    async with stream_server(silent) as address:
        outcome = await probe(address, h2ping_use_tls=False, timeout_ns=30_000_000)

    assert outcome.output == "HTTP2 ping failed: context deadline exceeded"


async def test_server_that_hangs_up_is_critical():
    async with stream_server(hang_up) as address:
        outcome = await probe(address, h2ping_use_tls=False)

    assert outcome.status == CRITICAL
    assert outcome.output.startswith("HTTP2 ping failed: ")
