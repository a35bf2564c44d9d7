"""Tests of proxy/listener.py: who comes in, at which chain, and who does not."""

import asyncio
import errno
import socket
import ssl
import warnings
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from proxy import listener as listener_module
from proxy.api import Listener, ServerTls
from proxy.listener import Acceptor
from tests.proxy.authority import Authority
from tests.proxy.carried import Pinger, Site, at, mutual_chain, plain_chain
from tests.proxy.door import WAIT_S, door, talk
from tests.proxy.fakes import until
from tests.proxy.far_end import LOCALHOST, backend, calling, client_context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_peer_of_the_mesh_comes_in_with_its_facts(authority: Authority) -> None:
    leaf = authority.leaf("web")
    at_work = door(authority, mutual_chain(tls=ServerTls(identity="api", alpn=("h2", "http/1.1"))))
    context = client_context(authority, leaf)
    context.set_alpn_protocols(["h2"])

    async with at_work.site.open() as port:
        assert b"ping" == await talk(port, context, "api.internal")

    facts = at_work.entered[0].facts
    assert facts.peer is not None
    assert (leaf.uri, "web", leaf.serial) == (facts.peer.uri, facts.peer.service, facts.peer.serial)
    assert ("public", "api.internal", "h2") == (facts.listener, facts.server_name, facts.alpn)
    assert facts.remote.startswith("127.0.0.1:")
    assert f"127.0.0.1:{port}" == facts.local
    assert "h2" == at_work.entered[0].carrier.alpn


async def test_peer_without_server_name_comes_in(authority: Authority) -> None:
    at_work = door(authority)

    async with at_work.site.open() as port:
        assert b"ping" == await talk(port, client_context(authority, authority.leaf("web")))


def nobody(authority: Authority) -> ssl.SSLContext:
    return client_context(authority)


def of_another_authority(authority: Authority) -> ssl.SSLContext:
    return client_context(authority, Authority().leaf("web"))


def of_another_trust_domain(authority: Authority) -> ssl.SSLContext:
    return client_context(authority, Authority("other.consul").leaf("web"))


def expired(authority: Authority) -> ssl.SSLContext:
    return client_context(authority, authority.leaf("web", lifetime_s=-600))


def old_version(authority: Authority) -> ssl.SSLContext:
    context = client_context(authority, authority.leaf("web"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (nobody, "no-client-certificate"),
        (of_another_authority, "untrusted-certificate"),
        (of_another_trust_domain, "untrusted-certificate"),
        (expired, "expired-certificate"),
        (old_version, "no-common-version"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_wrong_peer_is_refused_in_the_handshake(
    authority: Authority, make: Callable[[Authority], ssl.SSLContext], reason: str
) -> None:
    at_work = door(authority)

    async with at_work.site.open() as port:
        assert b"" == await talk(port, make(authority), "api")
        await until(lambda: at_work.reasons)

    assert [reason] == at_work.reasons
    assert [] == at_work.entered


async def test_peer_without_certificate_is_told_why(authority: Authority) -> None:
    at_work = door(authority)

    async with at_work.site.open() as port:
        context = client_context(authority)
        async with calling(port, ssl=context, server_hostname="api") as (reader, _):
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                await asyncio.wait_for(reader.read(), WAIT_S)


async def test_revoked_peer_is_refused(authority: Authority) -> None:
    at_work = door(authority)
    leaf, revoked = authority.leaf("web"), authority.leaf("web")
    at_work.site.configure(revoked=(revoked.serial.upper(),))

    async with at_work.site.open() as port:
        assert b"" == await talk(port, client_context(authority, revoked))
        assert b"ping" == await talk(port, client_context(authority, leaf))

    assert ["revoked-certificate"] == at_work.reasons


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: api\r\n\r\n", "not-tls"),
        (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", "bad-hello"),
        (b"", "closed"),
        (b"\x16\x03\x01", "closed"),
    ],
)
async def test_what_is_no_handshake_is_refused(
    authority: Authority, sent: bytes, reason: str
) -> None:
    at_work = door(authority)

    async with at_work.site.open() as port, calling(port) as (reader, writer):
        writer.write(sent)
        if reason == "closed":
            writer.write_eof()
        assert b"" == await asyncio.wait_for(reader.read(), WAIT_S)
        await until(lambda: at_work.reasons)

    assert [reason] == at_work.reasons
    assert [] == at_work.entered


@pytest.mark.parametrize("sent", [b"", b"\x16\x03", None], ids=["silent", "slow", "half"])
async def test_peer_that_does_not_finish_its_handshake_is_dropped(
    authority: Authority, sent: bytes | None
) -> None:
    at_work = door(authority)
    at_work.site.listener = msgspec.structs.replace(at_work.site.listener, handshake_timeout_s=0.1)
    if sent is None:  # a whole hello, and nothing after it
        outgoing = ssl.MemoryBIO()
        client = client_context(authority).wrap_bio(ssl.MemoryBIO(), outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        sent = outgoing.read()

    async with at_work.site.open() as port, calling(port) as (reader, writer):
        writer.write(sent)
        await asyncio.wait_for(reader.read(), WAIT_S)
        await until(lambda: at_work.reasons)

    assert ["timeout"] == at_work.reasons
    assert [] == at_work.entered


async def test_one_silent_peer_holds_up_nobody(authority: Authority) -> None:
    at_work = door(authority)

    async with at_work.site.open() as port, calling(port):
        assert b"ping" == await talk(port, client_context(authority, authority.leaf("web")))


async def test_silent_peers_make_room_for_who_comes_in(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "HANDSHAKES_MAX", 2)
    at_work = door(authority)

    async with at_work.site.open() as port, AsyncExitStack() as silent:
        readers = [(await silent.enter_async_context(calling(port)))[0] for _ in range(4)]
        await until(lambda: len(at_work.reasons) == 2)
        assert b"ping" == await talk(port, client_context(authority, authority.leaf("web")))
        ends = [await asyncio.wait_for(reader.read(), WAIT_S) for reader in readers[:3]]

    assert [b""] * 3 == ends
    assert {"too-many-handshakes"} == set(at_work.reasons[:3])


async def test_hello_in_pieces_is_read(authority: Authority) -> None:
    at_work = door(authority)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(authority, authority.leaf("web")).wrap_bio(incoming, outgoing)

    async with at_work.site.open() as port, calling(port) as (reader, writer):
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        for byte in outgoing.read():
            writer.write(bytes([byte]))
            await writer.drain()
        while True:
            incoming.write(await asyncio.wait_for(reader.read(65_536), WAIT_S))
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        client.write(b"with the handshake")
        writer.write(outgoing.read())
        incoming.write(await asyncio.wait_for(reader.read(65_536), WAIT_S))

        assert b"with the handshake" == client.read()


async def test_listener_without_its_certificate_refuses(authority: Authority) -> None:
    at_work = door(authority, mutual_chain(tls=ServerTls(identity="gone")))

    async with at_work.site.open() as port:
        assert b"" == await talk(port, client_context(authority, authority.leaf("web")))

    assert ["no-certificate-here"] == at_work.reasons


async def test_full_chain_takes_no_more(authority: Authority) -> None:
    at_work = door(authority)
    at_work.site.chains[0].admits = False

    async with at_work.site.open() as port:
        assert b"" == await talk(port, client_context(authority, authority.leaf("web")))

    assert ["too-many-connections"] == at_work.reasons


# Accepting.


async def test_unix_socket_is_listened_at(authority: Authority, tmp_path: Any) -> None:
    path = str(tmp_path / "web.sock")
    listener = Listener(name="local", direction="outbound", path=path)
    site = Site(authority, "web", plain_chain(), listener=listener)

    async with backend() as app, site.open():
        site.leads_to(at(app))
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"ping")
        assert b"ping" == await asyncio.wait_for(reader.read(100), WAIT_S)
        writer.close()
        await until(lambda: site.told.records)

    assert ("unix", path) == (site.record.facts.remote, site.record.facts.local)


async def test_stopped_acceptor_gives_its_socket_to_the_next(authority: Authority) -> None:
    at_work = door(authority, plain_chain())
    site = at_work.site
    sock = socket.create_server((LOCALHOST, 0))

    def acceptor() -> Acceptor:
        return Acceptor(
            sock,
            listener=lambda: site.listener,
            chains=lambda: site.chains,
            contexts=site.contexts,
            handler_of=site.handler_of,
        )

    first, second = acceptor(), acceptor()
    first.start()
    assert sock is first.stop()
    async with calling(sock.getsockname()[1]) as (reader, writer):
        writer.write(b"waits")
        await asyncio.sleep(0.05)
        assert [] == at_work.entered
        second.start()
        assert b"waits" == await asyncio.wait_for(reader.read(100), WAIT_S)
        second.stop()
    sock.close()
    await until(lambda: at_work.entered[0].lost)


class FullSocket:
    """A listening socket in a process that has no file descriptor left, for a while."""

    def __init__(self, sock: socket.socket, failures: int) -> None:
        self._sock = sock
        self._failures = failures
        self.tries = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.tries += 1
        if self.tries <= self._failures:
            raise OSError(errno.EMFILE, "Too many open files")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


async def test_without_file_descriptors_it_waits_and_does_not_spin(authority: Authority) -> None:
    at_work = door(authority, plain_chain())
    site = at_work.site
    full: Any = FullSocket(socket.create_server((LOCALHOST, 0)), failures=2)
    acceptor = Acceptor(
        full,
        listener=lambda: site.listener,
        chains=lambda: site.chains,
        contexts=site.contexts,
        handler_of=site.handler_of,
    )
    acceptor.start()

    async with calling(full.getsockname()[1]) as (reader, writer):
        writer.write(b"ping")
        assert b"ping" == await asyncio.wait_for(reader.read(100), WAIT_S)

    assert full.tries <= 5
    await until(lambda: at_work.entered[0].lost)
    acceptor.stop().close()


async def test_bug_of_a_handler_ends_its_connection_alone(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Pinger):
        @override
        def data_received(self, chunk: bytes) -> None:
            raise ValueError("a bug")

    broken = Broken()
    at_work = door(authority, plain_chain())
    at_work.site.handler_of = lambda serving, facts: broken

    async with at_work.site.open() as port, calling(port) as (reader, writer):
        writer.write(b"ping")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.read(), WAIT_S)

    assert [None] == broken.lost
    assert "a bug" in caplog.text
