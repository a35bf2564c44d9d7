"""One query's bytes in, its answer's bytes out: what UDP and TCP share.

``answer_now`` is the hot path: bytes that were asked before are answered from the cache without
reading them. ``answer`` does the rest: decode, run the chain, lay out, keep.
"""

from collections.abc import Callable
from typing import Final

import structlog

from agent.dns import names, wire
from agent.dns.answer import Reply
from agent.dns.cache import AnswerCache
from agent.dns.chain import Ask, Counts, Door, Relayed, run
from agent.dns.directory import Directory, DirectoryError
from agent.dns.packet import Packet, Rng, Transport, room_for
from agent.dns.recursor import Recursor
from agent.dns.settings import DnsSettings
from agent.dns.wire import NotAQuery, Query, WireError

QUERY_KEPT_BYTES_MAX: Final = 300  # header, a longest name and an empty OPT; more is not kept

_log = structlog.get_logger("agent.dns")


class Responder:
    """Answers queries; ``settings`` may be replaced at any time with ``reload``."""

    def __init__(
        self,
        directory: Directory,
        settings: DnsSettings,
        *,
        rng: Rng,
        wall_s: Callable[[], float],
    ) -> None:
        self.counts = Counts()
        self._settings = settings
        self._rng = rng
        self._door = Door(
            directory=directory,
            recursor=Recursor(rng),
            rng=rng,
            serial=lambda: int(wall_s()),
            counts=self.counts,
        )
        self._caches: dict[Transport, AnswerCache] = {"udp": AnswerCache(), "tcp": AnswerCache()}
        self._find_udp = self._caches["udp"].find
        self._find_tcp = self._caches["tcp"].find

    def reload(self, settings: DnsSettings) -> None:
        """Answer by new settings from now on; everything kept is forgotten."""
        self._settings = settings
        for cache in self._caches.values():
            cache.clear()

    def answer_now(self, packet: bytes, transport: Transport) -> bytes | None:
        """The answer if these very bytes (after the id) were answered before."""
        kept = (self._find_udp if transport == "udp" else self._find_tcp)(packet[2:])
        if kept is None:
            return None
        self.counts.cached += 1
        return packet[:2] + kept.render()

    async def answer(
        self, packet: bytes, transport: Transport, source_address: str
    ) -> bytes | None:
        """The answer; None for what must not get one. Raises nothing but cancellation."""
        try:
            query = wire.decode_query(packet)
        except NotAQuery:
            self.counts.dropped += 1
            return None
        except WireError:
            self.counts.malformed += 1
            return _bare(packet, wire.FORMERR)
        settings = self._settings
        cache = self._caches[transport]
        generation = cache.generation
        ask = Ask(
            query=query,
            packet=packet,
            asked=names.parse(query.name, query.kind, settings),
            transport=transport,
            source_address=source_address,
            settings=settings,
        )
        try:
            outcome = await run(ask, self._door)
            if isinstance(outcome, Relayed):
                return _within(outcome.packet, query, transport, settings)
            laid_out = self._lay_out(query, outcome, transport, settings)
            watches = outcome.watches
            options = query.edns.option_count if query.edns is not None else 0
            if watches is not None and not options and len(packet) <= QUERY_KEPT_BYTES_MAX:
                cache.keep(packet[2:], laid_out, watches, generation=generation)
            return packet[:2] + laid_out.render()
        except DirectoryError as error:
            _log.warning("dns lookup failed", name=_shown(query), error=str(error))
        except Exception:  # noqa: BLE001 - one bad row or query must not stop the server
            _log.exception("dns answer failed", name=_shown(query))
        self.counts.failed += 1
        failure = Reply(rcode=wire.SERVFAIL, watches=None)
        return packet[:2] + self._lay_out(query, failure, transport, settings).render()

    def _lay_out(
        self, query: Query, reply: Reply, transport: Transport, settings: DnsSettings
    ) -> Packet:
        return Packet(query, reply, room_for(query, transport, settings), settings, self._rng)


def _shown(query: Query) -> str:
    return b".".join(query.name).decode("ascii", "backslashreplace")


def _bare(packet: bytes, rcode: int) -> bytes:
    """A header alone, for a query that cannot be read: its id, opcode and RD, and an rcode."""
    flags = wire.QR | int.from_bytes(packet[2:4], "big") & (0x7800 | wire.RD) | rcode
    return packet[:2] + flags.to_bytes(2, "big") + bytes(8)


def _within(packet: bytes, query: Query, transport: Transport, settings: DnsSettings) -> bytes:
    """An upstream's answer, cut to its question with TC where it is more than the client takes."""
    if transport == "tcp" or len(packet) <= room_for(query, transport, settings).size_bytes:
        return packet
    flags = int.from_bytes(packet[2:4], "big") | wire.TC
    question = wire.question_bytes(query.name, query.kind, query.klass)
    return packet[:2] + flags.to_bytes(2, "big") + b"\0\1" + bytes(6) + question
