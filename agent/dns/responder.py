"""One query's bytes in, its answer's bytes out: what UDP and TCP share.

``answer_now`` is the hot path: bytes that were asked before are answered from the cache without
reading them. ``answer`` does the rest: decode, run the chain, lay out, keep.
"""

from collections.abc import Callable
from typing import Final

import structlog

from agent.clock import monotonic_s
from agent.dns import names, wire
from agent.dns.answer import Reply
from agent.dns.cache import AnswerCache
from agent.dns.chain import Ask, Counts, Door, Relayed, run
from agent.dns.directory import Directory, DirectoryError
from agent.dns.names import ReverseLookup
from agent.dns.packet import Packet, Rng, Transport, room_for
from agent.dns.recursor import Recursor
from agent.dns.settings import DnsSettings
from agent.dns.wire import NotAQuery, Query, WireError

QUERY_KEPT_BYTES_MAX: Final = 300  # header, a longest name and an empty OPT; more is not kept

_log = structlog.get_logger("agent.dns")


class Responder:
    """Answers queries; ``settings`` may be replaced at any time with ``reload``.

    ``observe`` is given ``domain_query`` or ``ptr_query`` and the seconds that an answer took;
    answers from the cache are only counted.
    """

    def __init__(
        self,
        directory: Directory,
        settings: DnsSettings,
        *,
        rng: Rng,
        wall_s: Callable[[], float],
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        self.counts = Counts()
        self._directory = directory
        self._observe = observe
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
        if kept is None or not self._directory.is_current:
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
        ask = Ask(
            query=query,
            packet=packet,
            asked=names.parse(query.name, query.kind, settings),
            transport=transport,
            source_address=source_address,
            settings=settings,
        )
        try:
            return await self._resolve(ask)
        except DirectoryError as error:
            _log.debug("dns lookup failed", name=_shown(query), error=repr(error))
        except Exception:  # noqa: BLE001 - one bad row or query must not stop the server
            _log.exception("dns answer failed", name=_shown(query))
        self.counts.failed += 1
        return packet[:2] + self._lay_out(ask, Reply(rcode=wire.SERVFAIL)).render()

    async def _resolve(self, ask: Ask) -> bytes:
        """Run the chain, and keep what may be kept."""
        cache = self._caches[ask.transport]
        generation = cache.generation
        begun_s = monotonic_s()
        outcome = await run(ask, self._door)
        if self._observe is not None:
            is_reverse = isinstance(ask.asked.lookup, ReverseLookup)
            self._observe("ptr_query" if is_reverse else "domain_query", monotonic_s() - begun_s)
        if isinstance(outcome, Relayed):
            return _within(outcome.packet, ask)
        laid_out = self._lay_out(ask, outcome)
        has_options = ask.query.edns is not None and ask.query.edns.option_count > 0
        if (
            outcome.watches is not None
            and not has_options
            and len(ask.packet) <= QUERY_KEPT_BYTES_MAX
        ):
            cache.keep(ask.packet[2:], laid_out, outcome.watches, generation=generation)
        return ask.packet[:2] + laid_out.render()

    def _lay_out(self, ask: Ask, reply: Reply) -> Packet:
        room = room_for(ask.query, ask.transport, ask.settings)
        return Packet(ask.query, reply, room, ask.settings, self._rng)


def _shown(query: Query) -> str:
    return b".".join(query.name).decode("ascii", "backslashreplace")


def _bare(packet: bytes, rcode: int) -> bytes:
    """A header alone, for a query that cannot be read: its id, opcode and RD, and an rcode."""
    flags = wire.QR | int.from_bytes(packet[2:4], "big") & (0x7800 | wire.RD) | rcode
    return packet[:2] + flags.to_bytes(2, "big") + bytes(8)


def _within(packet: bytes, ask: Ask) -> bytes:
    """An upstream's answer, cut to its question with TC where it is more than the client takes."""
    room = room_for(ask.query, ask.transport, ask.settings)
    if ask.transport == "tcp" or len(packet) <= room.size_bytes:
        return packet
    flags = int.from_bytes(packet[2:4], "big") | wire.TC
    question = wire.question_bytes(ask.query.name, ask.query.kind, ask.query.klass)
    return packet[:2] + flags.to_bytes(2, "big") + b"\0\1" + bytes(6) + question
