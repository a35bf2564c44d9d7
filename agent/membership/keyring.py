"""The gossip keys of this agent's pools, listed or changed on every member.

Source: Consul API, /v1/operator/keyring; the texts are those of Consul's answers.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from agent.membership.pool import Pool
from agent.rpc.endpoints.server_state import Keyring, KeyringChange, KeyringVerb
from catalog.errors import CatalogError, Invalid
from gossip.core.effects import KeyringAnswer
from gossip.core.keyring import KEY_BYTES
from gossip.errors import GossipError

_OFF: Final = (
    "3 errors occurred:\n\t* Error listing gossip keys: Keyring is empty (encryption not enabled)"
    "\n\n"
)


async def change_keyring(
    pools: Iterable[Pool], datacenter: str, change: KeyringChange
) -> tuple[Keyring, ...]:
    """Carry a change out in each pool, one after the other; a list with what the members said.

    Raises CatalogError when encryption is off or any member refused, Invalid for a bad key.
    """
    pools = tuple(pools)
    if not all(pool.is_encrypted for pool in pools):
        raise CatalogError(_OFF)
    key = b"" if change.verb is KeyringVerb.LIST else _key_of(change.key)
    failures: list[str] = []
    keyrings: list[Keyring] = []
    for pool in pools:
        try:
            answer = await pool.gossip.change_keyring(
                change.verb.value, key, relay_factor=change.relay_factor
            )
        except GossipError as error:
            failures.append(f"{_label(pool, datacenter)} error: {error}")
            continue
        failures += _failures(pool, datacenter, answer)
        keyrings.append(_keyring(pool, datacenter, answer))
    if failures:
        count = len(failures)
        head = "1 error occurred:" if count == 1 else f"{count} errors occurred:"
        raise CatalogError(head + "".join(f"\n\t* {failure}" for failure in failures) + "\n\n")
    return tuple(keyrings)


def _key_of(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Invalid("Key must be base64 of 16, 24 or 32 bytes") from None
    if len(key) not in KEY_BYTES:
        raise Invalid(f"Key must be base64 of 16, 24 or 32 bytes, not of {len(key)}")
    return key


def _label(pool: Pool, datacenter: str) -> str:
    return "WAN" if pool.is_wide else f"{datacenter} (LAN)"


def _failures(pool: Pool, datacenter: str, answer: KeyringAnswer) -> list[str]:
    if not answer.error:
        return []
    told = [f"{node}: {text}" for node, text in answer.messages.items()]
    return [f"{_label(pool, datacenter)} error: {answer.error}", *told]


def _keyring(pool: Pool, datacenter: str, answer: KeyringAnswer) -> Keyring:
    return Keyring(
        wan=pool.is_wide,
        datacenter=datacenter,
        messages=answer.messages or None,
        keys=answer.keys,
        primary_keys=answer.primary_keys,
        num_nodes=answer.member_count,
    )
