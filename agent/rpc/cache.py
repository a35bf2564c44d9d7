"""What ``?cached`` reports: whether this agent keeps a read's answer fresh already.

A server answers from its own state, which is never older than any cache; what is left to a cache is
to tell a client whether its question was asked before (X-Cache) and how old the answer is (Age).
Source: Consul API, agent caching.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from agent.rpc.request import ReadRequest
from catalog.errors import BadRequest

READS_MAX: Final = 8192  # distinct questions remembered; the least recently asked is forgotten

_encode = msgspec.msgpack.encode


class SeenReads:
    """The reads that were asked with ``?cached``."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def headers(self, request: ReadRequest, cache_control: str) -> dict[str, str]:
        """X-Cache and Age of a read. Raises BadRequest for a bad Cache-Control header."""
        must_fetch = _must_fetch(cache_control)
        question = msgspec.structs.replace(request, min_index=0, wait_ns=0)
        # A digest, so that long questions take no more room than short ones.
        key = blake2b(type(request).__name__.encode() + _encode(question), digest_size=16).digest()
        known = key in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > READS_MAX:
            self._seen.popitem(last=False)
        return {"X-Cache": "HIT", "Age": "0"} if known and not must_fetch else {"X-Cache": "MISS"}


def _must_fetch(cache_control: str) -> bool:
    must_fetch = False
    for part in cache_control.split(","):
        name, _, value = part.strip().partition("=")
        if name == "must-revalidate":
            must_fetch = True
        if name in {"max-age", "stale-if-error"}:
            if not value.isdigit():
                raise BadRequest("Invalid Cache-Control header.")
            must_fetch = must_fetch or (name == "max-age" and int(value) == 0)
    return must_fetch
