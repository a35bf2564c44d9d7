"""Who comes in at the servers' port, and who does not."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import trustme
from typing_extensions import override

from agent.rpc.doorway import Doorway
from agent.rpc.security import Security, Terms
from agent.tasks import Tasks
from tests.agent.harness import LOOPBACK, within

HELLO = b"\x00hello"


class Echo(asyncio.Protocol):
    """Sends back what comes, and so shows who came to a protocol."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class House:
    """A doorway with a certificate, on a free port."""

    def __init__(self, tasks: Tasks) -> None:
        self.authority = trustme.CA()
        self.counted: Counter[str] = Counter()
        self.timeout_s = 5.0
        self.per_address_max = 0
        self.security = Security("dc1", terms=self.terms())
        self.doorway = Doorway(
            Echo,
            self.security,
            tasks,
            self.count,
            handshake_timeout_s=lambda: self.timeout_s,
            per_address_max=lambda: self.per_address_max,
        )
        self.port = self.doorway.listen(LOOPBACK, 0)

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        assert name == "consul.rpc.connection_refused"
        self.counted[labels["cause"]] += n

    def terms(self, *, is_plain_accepted: bool = False) -> Terms:
        """Those of a new certificate of the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("server.dc1.consul").configure_cert(context)
        self.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return Terms(incoming=context, is_plain_accepted=is_plain_accepted)

    def client(self, signer: trustme.CA | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        if signer is not None:
            signer.issue_cert("client.dc1.consul").configure_cert(context)
        return context

    async def answer(self, context: ssl.SSLContext | None = None, sent: bytes = HELLO) -> bytes:
        """What comes back, empty from a door that stays closed."""
        name = "server.dc1.consul" if context else None
        writer = None
        try:
            reader, writer = await asyncio.open_connection(
                LOOPBACK, self.port, ssl=context, server_hostname=name
            )
            writer.write(sent)
            return await within(reader.read(len(HELLO)))
        except OSError:
            return b""
        finally:
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    tasks = Tasks()
    made = House(tasks)
    yield made
    await made.doorway.close()
    await tasks.close()


async def test_a_good_certificate_comes_in(house: House):
    assert await house.answer(house.client(house.authority)) == HELLO
    assert not house.counted


async def test_another_authoritys_certificate_and_none_stay_out(house: House):
    assert await house.answer(house.client(trustme.CA())) == b""
    assert await house.answer(house.client(None)) == b""
    assert house.counted == {"handshake": 2}


async def test_plain_bytes_stay_out_where_all_are_verified(house: House):
    assert await house.answer() == b""
    assert house.counted == {"plain": 1}


async def test_plain_bytes_come_in_beside_tls_where_they_may(house: House):
    house.security.terms = house.terms(is_plain_accepted=True)

    assert await house.answer() == HELLO
    assert await house.answer(house.client(house.authority)) == HELLO


async def test_without_a_certificate_all_is_plain(house: House):
    house.security.terms = Terms()

    assert await house.answer() == HELLO


async def test_a_handshake_of_nonsense_is_refused(house: House):
    assert await house.answer(sent=b"\x16" * 64) in {b"", b"\x15\x03\x01\x00\x02\x02"}
    assert house.counted == {"handshake": 1}


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"])
async def test_who_does_not_finish_in_time_is_left(house: House, sent: bytes):
    house.timeout_s = 0.05

    assert await house.answer(sent=sent) == b""
    assert house.counted == {"timeout": 1}


async def test_those_of_one_address_who_have_not_begun_are_bounded(house: House):
    house.per_address_max = 1
    reader, writer = await asyncio.open_connection(LOOPBACK, house.port)
    other_reader, other = await asyncio.open_connection(LOOPBACK, house.port)

    assert await within(other_reader.read()) == b""
    assert house.counted == {"too many": 1}
    for each in (writer, other):
        each.close()
        await each.wait_closed()
    del reader


async def test_new_connections_go_by_the_newest_certificate_and_old_ones_live(house: House):
    reader, writer = await asyncio.open_connection(
        LOOPBACK,
        house.port,
        ssl=house.client(house.authority),
        server_hostname="server.dc1.consul",
    )
    shown = writer.get_extra_info("peercert")["serialNumber"]

    house.security.terms = house.terms()
    _, newer = await asyncio.open_connection(
        LOOPBACK,
        house.port,
        ssl=house.client(house.authority),
        server_hostname="server.dc1.consul",
    )
    writer.write(HELLO)

    assert await within(reader.read(len(HELLO))) == HELLO
    assert newer.get_extra_info("peercert")["serialNumber"] != shown
    for each in (writer, newer):
        each.close()
        await each.wait_closed()


async def test_a_closed_doorway_lets_nobody_in(house: House):
    await house.doorway.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, house.port))
