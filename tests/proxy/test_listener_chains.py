"""Tests of proxy/listener.py: which chain a connection is for, and with which certificate."""

import asyncio
import ssl

import pytest

from proxy.api import ServerTls
from proxy.listener import choose_chain
from tests.proxy.authority import Authority
from tests.proxy.carried import Site, at, mutual_chain, plain_chain
from tests.proxy.door import WAIT_S, door, talk
from tests.proxy.fakes import until
from tests.proxy.far_end import calling, client_context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


# Chains.


async def test_chain_is_chosen_by_server_name(authority: Authority) -> None:
    names = [("api.internal",), ("*.internal",), ("*.api.internal",), ()]
    at_work = door(authority, *(mutual_chain(server_names=each) for each in names))
    context = client_context(authority, authority.leaf("web"))
    asked = ["api.internal", "v1.internal", "v1.api.internal", "a.v1.api.internal", "other", ""]

    async with at_work.site.open() as port:
        for name in asked:
            assert b"ping" == await talk(port, context, name)

    chosen = [at_work.site.chains.index(each.serving) for each in at_work.entered]  # type: ignore[arg-type] # it is one of them
    assert [0, 1, 2, 2, 3, 3] == chosen


@pytest.mark.parametrize("name", ["", "other.internal", "api.internal.evil"])
async def test_wrong_server_name_is_refused(authority: Authority, name: str) -> None:
    at_work = door(authority, mutual_chain(server_names=("api.internal",)))

    async with at_work.site.open() as port:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            async with calling(
                port,
                ssl=client_context(authority, authority.leaf("web")),
                server_hostname=name,
            ):
                pass

    assert ["unknown-server-name"] == at_work.reasons


def test_no_chain_is_chosen_from_none() -> None:
    assert choose_chain([], "api") is None


async def test_bytes_for_a_chain_without_tls_pass_unread(authority: Authority) -> None:
    """As at a mesh gateway: the handshake is between the two ends."""
    gateway = Site(authority, "gateway", plain_chain(server_names=("*.dc2.internal",)))
    end = door(authority)

    async with end.site.open() as behind, gateway.open() as port:
        gateway.leads_to(at(behind))
        context = client_context(authority, authority.leaf("web"))
        assert b"ping" == await talk(port, context, "api.dc2.internal")
        assert b"" == await talk(port, context, "api.dc1.internal")
        await until(lambda: gateway.told.records)

    assert "api.dc2.internal" == gateway.record.facts.server_name
    assert end.entered[0].facts.peer is not None
    assert [("unknown-server-name")] == [reason for _, reason in gateway.told.failures]


async def test_plain_bytes_are_let_in_where_a_chain_is_for_them(authority: Authority) -> None:
    at_work = door(authority, mutual_chain(), plain_chain())

    async with at_work.site.open() as port:
        async with calling(port) as (reader, writer):
            writer.write(b"plain")
            assert b"plain" == await asyncio.wait_for(reader.read(100), WAIT_S)
        assert b"ping" == await talk(port, client_context(authority, authority.leaf("web")))

    assert [None, "web"] == [
        each.facts.peer and each.facts.peer.service for each in at_work.entered
    ]


async def test_anybody_comes_in_where_no_certificate_is_asked_for(authority: Authority) -> None:
    """As at an ingress, whose certificate is given as it is."""
    leaf = authority.leaf("ingress")
    tls = ServerTls(
        certificates_pem=leaf.certificates_pem, private_key_pem=leaf.private_key_pem, mutual=False
    )
    at_work = door(authority, plain_chain(tls=tls))

    async with at_work.site.open() as port:
        assert b"ping" == await talk(port, client_context(authority), "shop.example.com")

    assert at_work.entered[0].facts.peer is None


# New certificates.


async def test_renewed_leaf_is_shown_to_new_peers_and_open_ones_go_on(
    authority: Authority,
) -> None:
    at_work = door(authority)
    context = client_context(authority, authority.leaf("web"))

    async with at_work.site.open() as port:
        async with calling(port, ssl=context, server_hostname="api") as (reader, writer):
            writer.write(b"one")
            assert b"one" == await asyncio.wait_for(reader.read(100), WAIT_S)
            renewed = authority.leaf("api")
            at_work.site.configure(identities={"api": renewed})

            writer.write(b"two")
            assert b"two" == await asyncio.wait_for(reader.read(100), WAIT_S)
        async with calling(port, ssl=context, server_hostname="api") as (_, writer):
            shown = writer.get_extra_info("ssl_object").getpeercert()

    assert renewed.serial == bytes.fromhex(shown["serialNumber"]).hex(":")


async def test_rotation_of_the_root_refuses_nobody(authority: Authority) -> None:
    """Old and new peers meet an old and a new server, in each order of who learns first."""
    old, new = authority, Authority(previous=authority)
    both = (old.root_pem, new.root_pem)
    at_work = door(old)
    old_peer = client_context(old, old.leaf("web"))
    new_peer = client_context(new, new.leaf("web"))
    new_peer.load_verify_locations(cadata=old.root_pem)

    async with at_work.site.open() as port:
        assert b"ping" == await talk(port, old_peer)
        assert b"ping" == await talk(port, new_peer), "cross-signed by the root that is known"

        at_work.site.configure(roots_pem=both)
        assert b"ping" == await talk(port, old_peer)
        assert b"ping" == await talk(port, new_peer)

        at_work.site.configure(identities={"api": new.leaf("api")})
        assert b"ping" == await talk(port, old_peer), "it knows only the old root"
        assert b"ping" == await talk(port, new_peer)

        at_work.site.configure(roots_pem=(new.root_pem,))
        assert b"" == await talk(port, old_peer)
        assert b"ping" == await talk(port, new_peer)
