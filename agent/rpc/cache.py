"""What ``?cached`` reports: whether this agent keeps a read's answer fresh already.

A server answers from its own state, which is never older than any cache; what is left to a cache is
to tell a client whether its question was asked before (X-Cache) and how old the answer is (Age).
A client agent keeps answers: agent.rpc.read_cache. Source: Consul API, agent caching.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from agent.rpc.request import ReadRequest
from catalog.errors import BadRequest

READS_MAX: Final = 8192  # distinct questions remembered; the least recently asked is forgotten

_encode = msgspec.msgpack.encode


class CacheControl(msgspec.Struct, frozen=True, kw_only=True):
    """What a Cache-Control header asks for; None where it says nothing.

    Answers older than ``max_age_s`` are fetched anew; if that fails, one that is not older than
    ``stale_if_error_s`` is given.
    """

    must_fetch: bool = False
    max_age_s: int | None = None
    stale_if_error_s: int | None = None

    @classmethod
    def of(cls, header: str) -> "CacheControl":
        """Read a header. Raises BadRequest."""
        seconds: dict[str, int] = {}
        must_fetch = False
        for part in header.split(","):
            name, _, value = part.strip().partition("=")
            must_fetch = must_fetch or name == "must-revalidate"
            if name in {"max-age", "stale-if-error"}:
                if not (value.isascii() and value.isdecimal()):
                    raise BadRequest("Invalid Cache-Control header.")
                seconds[name] = int(value)
        return cls(
            must_fetch=must_fetch or seconds.get("max-age") == 0,
            max_age_s=seconds.get("max-age"),
            stale_if_error_s=seconds.get("stale-if-error"),
        )


class SeenReads:
    """The reads that were asked with ``?cached``."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def headers(self, request: ReadRequest, cache_control: str) -> dict[str, str]:
        """X-Cache and Age of a read. Raises BadRequest for a bad Cache-Control header."""
        must_fetch = CacheControl.of(cache_control).must_fetch
        key = question_digest(request)
        known = key in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > READS_MAX:
            self._seen.popitem(last=False)
        return {"X-Cache": "HIT", "Age": "0"} if known and not must_fetch else {"X-Cache": "MISS"}


def question_digest(request: ReadRequest) -> bytes:
    """What is asked, whatever the index and the wait; long questions take no more room."""
    question = msgspec.structs.replace(request, min_index=0, wait_ns=0)
    return blake2b(type(request).__name__.encode() + _encode(question), digest_size=16).digest()
