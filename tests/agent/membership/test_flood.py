"""Servers of one LAN that meet on the WAN."""

import msgspec

from agent.membership import flood as flooding
from agent.membership.flood import flood, missing
from agent.membership.tags import ServerInfo
from gossip.core.types import Status
from tests.agent.membership.agents import AnAgent, make_client_config, make_config, running, until

SERVER = ServerInfo(
    id="id-a",
    name="a",
    datacenter="dc1",
    host="10.0.0.1",
    port=8300,
    wan_join_port=8302,
    bootstrap=False,
    expect=0,
    build="1.9.8",
    raft_version="3",
    status=Status.ALIVE,
)


def other(**fields) -> ServerInfo:
    return msgspec.structs.replace(SERVER, **fields)


def test_alive_servers_with_a_wan_port_are_missing_until_they_are_known():
    servers = [
        SERVER,
        other(name="b", host="fe80::1"),
        other(name="c", status=Status.FAILED),
        other(name="d", wan_join_port=0),
    ]

    assert ["a.dc1/10.0.0.1:8302", "b.dc1/[fe80::1]:8302"] == missing(servers, [])
    assert ["b.dc1/[fe80::1]:8302"] == missing(servers, ["a.dc1"])


async def test_servers_that_join_on_the_lan_meet_on_the_wan():
    first, second, client = (
        AnAgent(make_config("a")),
        AnAgent(make_config("b")),
        AnAgent(make_client_config("c")),
    )
    async with running(first):
        first.tasks.start("flood", flood(first.membership))
        try:
            for agent in (second, client):
                await agent.membership.start()
                await agent.membership.join([first.membership.address()], wide=False)
            await until(lambda: {"a.dc1", "b.dc1"} == second.statuses(wide=True).keys())
        finally:
            await second.stop()
            await client.stop()


async def test_a_server_that_does_not_answer_is_tried_again(monkeypatch):
    monkeypatch.setattr(flooding, "FLOOD_INTERVAL_S", 0.01)
    tries: list[int] = []
    agent = AnAgent(make_config("a"))
    async with running(agent):
        monkeypatch.setattr(
            flooding, "missing", lambda *_: tries.append(1) or ["b.dc1/127.0.0.1:1"]
        )
        agent.tasks.start("flood", flood(agent.membership))
        await until(lambda: len(tries) > 2)
