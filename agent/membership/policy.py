"""Whom a pool takes in: on the LAN agents of one datacenter, on the WAN servers only.

Asked about every newcomer, however the word of it came, so that two clusters do not flow together
through a reused address or an old snapshot. Source: Consul's merge and alive delegates; surface
§5.2, ``serf_lan_allowed_cidrs``.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

from agent.membership.tags import RECONNECT_TIMEOUT_TAG, ROLE_SERVER
from catalog.duration import SECOND, parse_duration
from gossip.core.policy import Candidate
from gossip.core.types import normalized_ip

RECONNECT_TIMEOUT_TEXT_MAX: Final = 32  # characters; the longest duration has fewer

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(cidrs: Sequence[str]) -> Networks:
    """Ranges of addresses, already checked by the configuration."""
    return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


class LanPolicy:
    """One datacenter, each node id and name once. Without ``allowed`` every address is taken.

    ``name`` and ``node_id`` are this agent's own. Another agent that lives under its name is
    refused, so that a join fails here and the two do not write over each other's catalog rows;
    with the same id it is this agent itself, before it was given another address.
    """

    def __init__(self, datacenter: str, node_id: str, allowed: Networks = (), *, name: str) -> None:
        self._datacenter = datacenter
        self._name = name
        self._node_id = node_id.lower()
        self._allowed = allowed

    def refuse(self, candidates: Sequence[Candidate]) -> str:
        """Why these may not be members; empty when they may."""
        return next(self._complaints(candidates), "")

    def reconnect_timeout_s(self, tags: dict[str, str], default_s: float) -> float:
        """How long a failed member is kept: as long as itself asked for, else the default."""
        return _asked_timeout_s(tags) or default_s

    def _complaints(self, candidates: Sequence[Candidate]) -> Iterator[str]:
        yield from _misplaced(candidates, self._allowed)
        names: dict[str, str] = {}
        for candidate in candidates:
            name, datacenter = candidate.name, candidate.tags.get("dc", "")
            if datacenter != self._datacenter:
                yield f"Member '{name}' part of wrong datacenter '{datacenter}'"
            node_id = candidate.tags.get("id", "").lower()
            if name == self._name:
                if node_id != self._node_id:
                    yield f"Node name '{name}' is in use by another agent: names must be unique"
                continue
            if not node_id:
                continue
            if node_id == self._node_id:
                yield f"Member '{name}' has conflicting node ID '{node_id}' with this agent's ID"
            other = names.setdefault(node_id, name)
            if other != name:
                yield f"Member '{name}' has conflicting node ID '{node_id}' with member '{other}'"


class WanPolicy:
    """Servers of any datacenter. Without ``allowed`` every address is taken."""

    def __init__(self, allowed: Networks = ()) -> None:
        self._allowed = allowed

    def refuse(self, candidates: Sequence[Candidate]) -> str:
        """Why these may not be members; empty when they may."""
        return next(self._complaints(candidates), "")

    def reconnect_timeout_s(self, _tags: dict[str, str], default_s: float) -> float:
        """The configured time."""
        return default_s

    def _complaints(self, candidates: Sequence[Candidate]) -> Iterator[str]:
        yield from _misplaced(candidates, self._allowed)
        for candidate in candidates:
            if candidate.tags.get("role") != ROLE_SERVER:
                yield f"Member '{candidate.name}' is not a server"


def _misplaced(candidates: Sequence[Candidate], allowed: Networks) -> Iterator[str]:
    if not allowed:
        return
    for candidate in candidates:
        address = ipaddress.ip_address(normalized_ip(candidate.address.ip))
        if not any(address in network for network in allowed):
            yield f"Member '{candidate.name}' has address {address}, which is not allowed"


def _asked_timeout_s(tags: dict[str, str]) -> float:
    text = tags.get(RECONNECT_TIMEOUT_TAG, "")
    if not text or len(text) > RECONNECT_TIMEOUT_TEXT_MAX:
        return 0.0
    try:
        return max(0.0, parse_duration(text) / SECOND)
    except ValueError:
        return 0.0
