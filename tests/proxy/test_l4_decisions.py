"""Tests of proxy/l4.py: who is let through, to which instance, and for how long."""

import asyncio
import gc
import weakref
from typing import Any

import msgspec
import pytest

from proxy.api import FilterChain
from proxy.connection import Facts
from proxy.l4 import TcpProxy
from tests.proxy.authority import Authority
from tests.proxy.carried import Site, allowing, at, mutual_chain, plain_chain
from tests.proxy.fakes import until
from tests.proxy.far_end import backend, calling
from tests.proxy.relays import ended, one, pair, ping, refusal


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


# Decisions.


async def test_denied_peer_reaches_nobody(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        inbound.chains[0].change(mutual_chain(policy=allowing("other")))
        assert "end" == await refusal(entry)
        await until(lambda: inbound.told.records)

    assert ["denied"] == inbound.record.flags
    assert 0 == inbound.record.attempts


async def test_connection_is_told_with_who_calls_whom(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        chain = inbound.chains[0]
        chain.change(msgspec.structs.replace(chain.chain, destination="api"))
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            (opened,) = inbound.told.open
            names = (opened.source, opened.destination, opened.route, opened.cluster)

    assert (
        "web",
        "api",
        chain.chain.routes[0].name,
        chain.chain.routes[0].clusters[0].cluster,
    ) == names


async def test_lost_access_cuts_the_open_connection_alone(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            inbound.chains[0].change(mutual_chain(policy=allowing("web", "more")))
            assert b"pong" == await ping(reader, writer, b"pong")

            inbound.chains[0].change(mutual_chain(policy=allowing("more")))

            assert "reset" == await ended(reader)
        await until(lambda: inbound.told.records)

    assert ["denied"] == inbound.record.flags


async def test_revoked_peer_is_cut(authority: Authority) -> None:
    async with backend() as app, pair(authority, app) as (outbound, inbound, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)

            inbound.configure(revoked=(outbound.config.identities["web"].serial,))

            assert "reset" == await ended(reader)
        await until(lambda: inbound.told.records)

    assert "revoked" in inbound.record.detail


async def test_limited_connection_is_reset(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.chains[0].admits_more = False
        assert "reset" == await refusal(entry)
        await until(lambda: site.told.records)

    assert ["limited"] == site.record.flags


# Instances.


async def test_second_instance_is_tried_when_the_first_refuses(authority: Authority) -> None:
    async with backend() as gone:
        pass
    async with backend() as app, one(authority, app) as (site, entry):
        attempts = set()
        for _ in range(2):  # they take turns, and one of the two begins
            site.leads_to(at(gone, "node/gone"), at(app))
            async with calling(entry) as (reader, writer):
                assert b"ping" == await ping(reader, writer)
        await until(lambda: len(site.told.records) == 2)
        attempts = {record.attempts for record in site.told.records}

    assert 2 in attempts
    assert {"node/app"} == {record.endpoint for record in site.told.records}


async def test_client_is_reset_when_nobody_can_be_dialled(authority: Authority) -> None:
    async with backend() as gone:
        pass
    async with one(authority, gone) as (site, entry):
        assert "reset" == await refusal(entry)
        await until(lambda: site.told.records)

    assert ["connect-failure"] == site.record.flags
    assert "node/app" in site.record.detail


@pytest.mark.parametrize("chain", [FilterChain(), plain_chain()], ids=["no route", "no instance"])
async def test_chain_that_leads_nowhere_resets(authority: Authority, chain: FilterChain) -> None:
    site = Site(authority, "web", chain)
    site.leads_to()
    async with site.open() as entry:
        assert "reset" == await refusal(entry)


async def test_cluster_that_is_not_there_resets(authority: Authority) -> None:
    site = Site(authority, "web", plain_chain())
    async with site.open() as entry:
        assert "reset" == await refusal(entry)


async def test_retired_instance_drains_until_the_time_is_over(authority: Authority) -> None:
    async with backend() as app, backend() as other, one(authority, app) as (site, entry):
        site.configure(drain_s=0.2)
        async with calling(entry) as (reader, writer), calling(entry) as (kept, _):
            await ping(reader, writer)
            await until(lambda: all(record.endpoint for record in site.told.open))
            site.leads_to(at(other, "node/other"))
            assert b"ping" == await ping(reader, writer), "it may go on for now"

            assert "reset" == await ended(reader)
            assert "reset" == await ended(kept)
        async with calling(entry) as (reader, writer):
            assert b"ping" == await ping(reader, writer)

    assert ["drained"] == site.told.records[0].flags


async def test_instance_that_comes_back_stays(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.configure(drain_s=0.1)
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            site.leads_to()
            site.leads_to(at(app))
            await asyncio.sleep(0.2)

            assert b"ping" == await ping(reader, writer)


async def test_draining_chain_cuts_what_is_left_at_last(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        site.configure(drain_s=0.1)
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            site.chains[0].draining = True
            site.chains[0].change()
            assert b"ping" == await ping(reader, writer)

            assert "reset" == await ended(reader)


async def test_idle_connection_is_closed_and_a_busy_one_is_not(authority: Authority) -> None:
    async with backend() as app, one(authority, app, idle_timeout_s=0.3) as (site, entry):
        async with calling(entry) as (reader, writer):
            for _ in range(4):
                await asyncio.sleep(0.1)
                assert b"ping" == await ping(reader, writer)

            assert "end" == await ended(reader)
        await until(lambda: site.told.records)

    assert ["idle-timeout"] == site.record.flags


async def test_nothing_is_kept_of_a_connection_that_ended(authority: Authority) -> None:
    async with backend() as app, one(authority, app) as (site, entry):
        async with calling(entry) as (reader, writer):
            await ping(reader, writer)
            assert 1 == len(site.chains[0]._calls)
            assert [1] == [instance.active for instance in site.upstreams["app"].instances()]
        await until(lambda: site.told.records)

        assert {} == site.chains[0]._calls
        assert [] == [instance.active for instance in site.upstreams["app"].instances()]


@pytest.mark.parametrize("case", ["relayed", "denied", "nobody there"])
async def test_ended_connection_leaves_nothing_for_the_collector(
    authority: Authority, case: str
) -> None:
    made: list[weakref.ref[TcpProxy]] = []

    def make(serving: Any, facts: Facts) -> TcpProxy:
        handler = TcpProxy(serving, facts)
        made.append(weakref.ref(handler))
        return handler

    async with backend() as app, pair(authority, app) as (_, inbound, entry):
        inbound.handler_of = make
        if case == "denied":
            inbound.chains[0].change(mutual_chain(policy=allowing("other")))
        if case == "nobody there":
            inbound.leads_to()
        gc.collect()
        gc.disable()
        try:
            if case == "relayed":
                async with calling(entry) as (reader, writer):
                    await ping(reader, writer)
            else:
                await refusal(entry)
            await until(lambda: inbound.told.records)
            inbound.tasks.clear()
            await until(lambda: made[0]() is None)
        finally:
            gc.enable()
