"""Gossip keys listed and changed over loopback."""

import base64

import pytest

from agent.rpc.endpoints.server_state import KeyringChange, KeyringVerb
from catalog.errors import CatalogError, Invalid
from tests.agent.membership.agents import AnAgent, make_config, running, until

KEY, NEXT_KEY = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


async def change(agent: AnAgent, verb: KeyringVerb, key: str = "", **fields):
    return await agent.membership.keyring(KeyringChange(verb=verb, key=key, **fields))


async def test_without_encryption_there_are_no_keys():
    agent = AnAgent(make_config())
    async with running(agent):
        for verb in KeyringVerb:
            with pytest.raises(CatalogError, match="encryption not enabled"):
                await change(agent, verb, KEY)


async def test_keys_are_rotated_everywhere():
    agents = [AnAgent(make_config(name, encrypt=KEY)) for name in "ab"]
    async with running(*agents):
        await until(lambda: len(agents[0].statuses(wide=True)) == 2)
        first = agents[0]
        wan, lan = await change(first, KeyringVerb.LIST)
        assert (True, False) == (wan.wan, lan.wan)
        assert ({KEY: 2}, {KEY: 2}, 2, "dc1") == (
            lan.keys, lan.primary_keys, lan.num_nodes, lan.datacenter,
        )  # fmt: skip

        await change(first, KeyringVerb.INSTALL, NEXT_KEY)
        await change(first, KeyringVerb.USE, NEXT_KEY)
        await change(first, KeyringVerb.REMOVE, KEY)

        for keyring in await change(agents[1], KeyringVerb.LIST):
            assert ({NEXT_KEY: 2}, {NEXT_KEY: 2}) == (keyring.keys, keyring.primary_keys)
        assert [False] == [
            keyring.wan for keyring in await change(first, KeyringVerb.LIST, local_only=True)
        ]


async def test_a_refused_change_names_pool_node_and_reason():
    agent = AnAgent(make_config(encrypt=KEY))
    async with running(agent):
        with pytest.raises(CatalogError) as caught:
            await change(agent, KeyringVerb.REMOVE, KEY)

    text = str(caught.value)
    assert text.startswith("4 errors occurred:\n\t* WAN error: 1/1 nodes reported failure\n")
    assert "\n\t* node-a: removing the primary key is not allowed\n" in text


@pytest.mark.parametrize("key", ["!", "YQ=="])
async def test_a_bad_key_is_refused_before_anybody_is_asked(key):
    agent = AnAgent(make_config(encrypt=KEY))
    async with running(agent):
        with pytest.raises(Invalid, match="Key must be base64 of 16, 24 or 32 bytes"):
            await change(agent, KeyringVerb.INSTALL, key)


async def test_who_is_not_running_says_so():
    agent = AnAgent(make_config(encrypt=KEY))

    with pytest.raises(CatalogError) as caught:
        await change(agent, KeyringVerb.LIST)

    reason = "error: the gossip node is not running"
    assert str(caught.value) == (
        f"2 errors occurred:\n\t* WAN {reason}\n\t* dc1 (LAN) {reason}\n\n"
    )
