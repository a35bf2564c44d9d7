"""What can be asked of the cluster, as values: the common parts of requests and replies.

A request is everything that a server needs to answer; it crosses the wire unchanged when another
server has to answer it.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Consistency(StrEnum):
    """Which server may answer a read."""

    DEFAULT = "default"
    CONSISTENT = "consistent"
    STALE = "stale"


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The datacenter asked (empty: this agent's) and on whose behalf."""

    datacenter: str = ""
    token: str = ""


class ReadRequest(Request, frozen=True, kw_only=True):
    """A read. It blocks while ``min_index`` > 0 and the answer's index is not beyond it.

    ``wait_ns`` bounds the block (0: the server's default). ``filter`` is a filter expression.
    """

    min_index: int = 0
    wait_ns: int = 0
    consistency: Consistency = Consistency.DEFAULT
    max_stale_ns: int = 0
    filter: str = ""


class WriteRequest(Request, frozen=True, kw_only=True):
    """A write; answered after it is durable and applied."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. ``index`` is never 0; times are milliseconds."""

    value: Any
    index: int = 1
    last_contact_ms: int = 0
    known_leader: bool = True


class RpcError(Exception):
    """The cluster cannot answer; ``str()`` is the text that clients match on."""


class NoPathToDatacenter(RpcError):
    """No server of the asked datacenter is known."""

    def __init__(self) -> None:
        super().__init__("No path to datacenter")


class NoLeader(RpcError):
    """No server leads."""

    def __init__(self) -> None:
        super().__init__("No cluster leader")
