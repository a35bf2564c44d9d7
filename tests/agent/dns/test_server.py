"""Both transports on one port, end to end, and under both event loops."""

import asyncio
import socket
from random import Random
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import uvloop

from agent.dns import server as server_module
from agent.dns.server import DnsServer
from agent.dns.settings import DnsSettings
from agent.tasks import Tasks

WEB = "web.service.consul"


def add_many(directory: Any, count: int, prefix: str) -> None:
    for n in range(count):
        node = directory.add_node(f"{prefix}{n:04}", f"10.0.{n >> 8}.{n & 255}")
        directory.add(node, "many", id=f"many-{n}", port=8000)


@pytest.mark.parametrize("tcp", [False, True])
async def test_both_transports_answer_on_one_port(client: Any, tcp: bool) -> None:
    for _ in range(2):  # the second answer is a kept one
        reply = await client.ask(WEB, "A", tcp=tcp)

        assert [rr.to_text() for rr in reply.answer] == ["web.service.consul. 0 IN A 127.0.0.1"]
    assert client.server.counts.cached == 1


@pytest.mark.parametrize(("kind", "edns"), [("A", None), ("SRV", None), ("SRV", 1232)])
async def test_sixty_instances_are_all_seen_by_one_client(
    client: Any, kind: str, edns: int | None
) -> None:
    add_many(client.directory, 60, "n")
    seen: set[str] = set()

    for _ in range(60):
        reply = await client.ask("many.service.consul", kind, edns=edns)
        assert len(reply.answer) == 3 if edns is None else len(reply.answer) >= 20
        seen.update(str(rrset[0]) for rrset in reply.answer)

    assert len(seen) == 60


@pytest.mark.parametrize(("tcp", "edns"), [(True, None), (False, 65535)])
async def test_1300_instances_get_an_answer_that_says_it_was_cut(
    client: Any, tcp: bool, edns: int | None
) -> None:
    add_many(client.directory, 1300, "a-node-with-quite-a-long-name-of-its-own-")

    reply = await client.ask("many.service.consul", "SRV", tcp=tcp, edns=edns)

    assert len(reply.answer) > 500
    assert reply.flags & dns.flags.TC
    assert len(reply.answer) == len(reply.additional)


async def test_changed_rows_change_the_next_answer(client: Any) -> None:
    await client.ask(WEB, "A")
    client.directory.instances.clear()
    client.directory.changed()

    assert (await client.ask(WEB, "A")).rcode() == dns.rcode.NXDOMAIN


async def test_reload_changes_the_next_answer(client: Any) -> None:
    await client.ask(WEB, "A")

    client.server.reload(DnsSettings(service_ttl_s={"*": 30}))

    assert (await client.ask(WEB, "A")).answer[0].ttl == 30


async def test_junk_leaves_the_server_answering(client: Any) -> None:
    rng = Random(11)
    good = dns.message.make_query(WEB, "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (client.host, client.port))
        for _ in range(200):
            packet = bytearray(good if rng.random() < 0.5 else rng.randbytes(rng.randrange(60)))
            if packet:
                packet[rng.randrange(len(packet))] ^= rng.randrange(1, 256)
            sender.sendto(packet, (client.host, client.port))
            await asyncio.sleep(0)  # the kernel's buffer would drop a longer burst

    reply = await client.ask(WEB, "A")

    assert reply.rcode() == dns.rcode.NOERROR
    assert client.server.counts.failed == 0


async def test_too_many_waiting_queries_are_dropped_and_counted(
    client: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(server_module, "UDP_IN_FLIGHT_MAX", 1)
    go, lookup = asyncio.Event(), client.directory.node

    async def slow(*args: Any) -> Any:
        await go.wait()
        return await lookup(*args)

    client.directory.node = slow
    first = asyncio.create_task(client.ask("devn.node.consul", "A"))
    second = asyncio.create_task(client.ask("devn.node.consul", "TXT"))
    await until(lambda: client.server.counts.dropped > 0)
    go.set()

    done, waiting = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)

    assert len(done) == len(waiting) == 1
    for task in waiting:
        task.cancel()


async def test_answer_that_is_ready_after_close_is_not_sent(serve: Any, directory: Any) -> None:
    client = await serve()
    began, go, lookup = asyncio.Event(), asyncio.Event(), directory.node

    async def slow(*args: Any) -> Any:
        began.set()
        await go.wait()
        return await lookup(*args)

    directory.node = slow
    asking = asyncio.create_task(client.ask("devn.node.consul", "A"))
    await began.wait()

    await client.server.close()
    go.set()
    await asyncio.sleep(0)

    assert not asking.done()
    asking.cancel()


async def test_several_addresses_share_one_cache(client: Any) -> None:
    await client.server.start("127.0.0.2", 0)
    await client.ask(WEB, "A")
    client.host, client.port = client.server.addresses[1]

    await client.ask(WEB, "A")

    assert client.server.counts.cached == 1


async def test_port_that_only_tcp_has_taken_is_an_error_and_frees_udp(
    client: Any, directory: Any
) -> None:
    blocker = await asyncio.start_server(lambda reader, writer: None, "127.0.0.3", 0)
    port = blocker.sockets[0].getsockname()[1]

    with pytest.raises(OSError, match="in use"):
        await client.server.start("127.0.0.3", port)
    blocker.close()
    await blocker.wait_closed()
    await asyncio.sleep(0)  # transports close in the loop's next turn

    await client.server.start("127.0.0.3", port)
    assert client.server.addresses[1:] == [("127.0.0.3", port)]


async def test_taken_port_is_an_error(client: Any, directory: Any) -> None:
    tasks = Tasks()
    other = DnsServer(directory, DnsSettings(), tasks=tasks, rng=Random(1), wall_s=lambda: 1.0)

    with pytest.raises(OSError, match="in use"):
        await other.start(client.host, client.port)


async def test_upstreams_answer_is_relayed_and_cut_to_what_the_client_takes(serve: Any) -> None:
    reply_count = 0

    class Upstream(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            nonlocal reply_count
            reply_count += 1
            reply = dns.message.make_response(dns.message.from_wire(data))
            addresses = [f"10.0.{reply_count}.{n}" for n in range(60)]
            reply.answer.append(dns.rrset.from_text("x.example.", 60, "IN", "A", *addresses))
            self.transport.sendto(reply.to_wire(), addr)

    loop = asyncio.get_running_loop()
    upstream, _ = await loop.create_datagram_endpoint(Upstream, local_addr=("127.0.0.1", 0))
    host, port = upstream.get_extra_info("sockname")
    client = await serve(DnsSettings(recursors=(f"{host}:{port}",)))

    large = await client.ask("x.example", "A", edns=4096)
    small = await client.ask("x.example", "A")

    upstream.close()
    assert len(large.answer) == 60
    assert small.answer == []
    assert small.flags & dns.flags.TC
    assert client.server.counts.relayed == 2


async def test_service_with_an_outside_name_is_resolved_upstream(
    serve: Any, directory: Any
) -> None:
    class Upstream(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            reply = dns.message.make_response(dns.message.from_wire(data))
            reply.answer.append(
                dns.rrset.from_text("svc.example.", 60, "IN", "A", "10.7.0.1", "10.7.0.2")
            )
            self.transport.sendto(reply.to_wire(), addr)

    loop = asyncio.get_running_loop()
    upstream, _ = await loop.create_datagram_endpoint(Upstream, local_addr=("127.0.0.1", 0))
    host, port = upstream.get_extra_info("sockname")
    directory.add(directory.nodes["devn"], "ext", id="ext", address="svc.example", port=5)
    client = await serve(DnsSettings(recursors=(f"{host}:{port}",)))

    address = await client.ask("ext.service.consul", "A")
    srv = await client.ask("ext.service.consul", "SRV")

    upstream.close()
    alias, *found = [rr.to_text() for rr in address.answer]
    assert alias == "ext.service.consul. 0 IN CNAME svc.example."
    assert sorted(found) == ["svc.example. 0 IN A 10.7.0.1", "svc.example. 0 IN A 10.7.0.2"]
    assert srv.answer[0][0].target.to_text() == "svc.example."
    assert {str(rr[0]) for rr in srv.additional} >= {"10.7.0.1", "10.7.0.2"}


def test_uvloop_serves_both_transports(directory: Any) -> None:
    async def scene() -> None:
        tasks = Tasks()
        server = DnsServer(directory, DnsSettings(), tasks=tasks, rng=Random(1), wall_s=lambda: 1.0)
        await server.start("127.0.0.1", 0)
        [(host, port)] = server.addresses
        query = dns.message.make_query(WEB, "A")
        for exchange in (dns.asyncquery.udp, dns.asyncquery.tcp):
            for _ in range(2):
                reply = await exchange(query, host, port=port, timeout=5)
                assert len(reply.answer) == 1
        reader, writer = await asyncio.open_connection(host, port)
        for n in range(100):
            packet = dns.message.make_query(f"n{n}.service.consul", "A").to_wire()
            writer.write(len(packet).to_bytes(2, "big") + packet)
        for _ in range(100):
            length = int.from_bytes(await reader.readexactly(2), "big")
            dns.message.from_wire(await reader.readexactly(length))
        writer.close()
        await server.close()
        await tasks.close()

    uvloop.run(scene())
