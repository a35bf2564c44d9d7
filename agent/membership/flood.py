"""Servers of one datacenter that know each other on the LAN join each other on the WAN too.

So that joining one server of another datacenter is enough. Source: Consul's flood join.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from agent.membership.membership import Membership
from agent.membership.tags import ServerInfo, wan_name
from catalog.errors import CatalogError
from gossip.core.types import Status

FLOOD_INTERVAL_S: Final = 60.0  # Consul's; a change of the servers comes at once

_log = structlog.get_logger("agent.membership")


def missing(servers: Iterable[ServerInfo], wide_names: Iterable[str]) -> list[str]:
    """Where to join the LAN's alive servers that are not on the WAN: ``name/host:port``."""
    known = set(wide_names)
    found: list[str] = []
    for server in servers:
        name = wan_name(server.name, server.datacenter)
        if server.healthy and server.wan_join_port and name not in known:
            host = f"[{server.host}]" if ":" in server.host else server.host
            found.append(f"{name}/{host}:{server.wan_join_port}")
    return found


async def flood(membership: Membership) -> None:
    """Join the missing servers now, at each change of them and every minute, until cancelled."""
    changed = asyncio.Event()
    cancel = membership.servers.subscribe(changed.set)
    try:
        while True:
            changed.clear()
            await _join_missing(membership)
            try:
                async with asyncio.timeout(FLOOD_INTERVAL_S):
                    await changed.wait()
            except TimeoutError:
                continue
    finally:
        cancel()


async def _join_missing(membership: Membership) -> None:
    alive = [m.name for m in membership.wan_members() if m.status is Status.ALIVE]
    addresses = missing(membership.server_infos(), alive)
    if not addresses:
        return
    try:
        await membership.join(addresses, wide=True)
    except CatalogError as error:
        _log.warning("servers not joined on the wan yet", error=str(error))
