"""``keygen`` and ``keyring``: the keys that encrypt gossip."""

import base64
import json
import os
from typing import Any, Final

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import say

_KEY_BYTES: Final = 32  # AES-256
_PATH: Final = "/v1/operator/keyring"
_RELAY_FACTOR_MAX: Final = 5


def keygen(call: Call) -> int:
    """``keygen``: base64 of random bytes."""
    call.expect_arguments(0, 0, "")
    say(base64.b64encode(os.urandom(_KEY_BYTES)).decode())
    return 0


def keyring(call: Call) -> int:
    """``keyring``: exactly one of list, list-primary, install, use, remove."""
    call.expect_arguments(0, 0, "")
    actions = [name for name in ("install", "use", "remove") if call.text(name)]
    actions += [name for name in ("list", "list-primary") if call.switch(name)]
    if len(actions) != 1:
        raise Failure(
            "Exactly one of -list, -list-primary, -install, -use and -remove must be given"
        )
    if call.number("relay-factor") > _RELAY_FACTOR_MAX:
        message = f"Error: -relay-factor must be from 0 to {_RELAY_FACTOR_MAX}"
        raise Failure(message)
    match actions[0]:
        case "list":
            return _list(call, "Keys", "==> Gathering installed encryption keys...")
        case "list-primary":
            return _list(call, "PrimaryKeys", "==> Gathering installed primary encryption keys...")
        case "install":
            return _change(call, "POST", "install", "==> Installing new gossip encryption key...")
        case "use":
            return _change(call, "PUT", "use", "==> Changing primary gossip encryption key...")
        case _:
            return _change(call, "DELETE", "remove", "==> Removing gossip encryption key...")


def _relay(call: Call) -> list[tuple[str, str]]:
    return [("relay-factor", str(call.number("relay-factor")))]


def _list(call: Call, field: str, title: str) -> int:
    say(title)
    query = _relay(call)
    if call.switch("local-only"):
        query.append(("local-only", "true"))
    with explaining("error"):
        pools = call.client.get_json(_PATH, query) or []
    for pool in pools:
        say(f"\n{_pool_name(pool)}:")
        for node, text in sorted((pool.get("Messages") or {}).items()):
            say(f"  ===> {node}: {text}")
        for key, count in sorted((pool[field] or {}).items()):
            say(f"  {key} [{count}/{pool['NumNodes']}]")
    return 0


def _pool_name(pool: dict[str, Any]) -> str:
    if pool["WAN"]:
        return "WAN"
    segment = f" [{pool['Segment']}]" if pool.get("Segment") else ""
    return f"{pool['Datacenter']} (LAN){segment}"


def _change(call: Call, method: str, flag: str, title: str) -> int:
    say(title)
    body = json.dumps({"Key": call.text(flag)}).encode()
    with explaining("error"):
        call.client.request(method, _PATH, _relay(call), body)
    return 0
