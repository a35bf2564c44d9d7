"""The leader's clocks of sessions: when a TTL is over, and how long a lost lock stays closed.

They are no part of the replicated state: TTLs run on the leader only and start anew with a new one.
A lock-delay runs on every replica from the moment that the loss of the lock was applied there, so
that a new leader keeps it. A session ends after twice its TTL without a renewal, never before its
TTL. Source: Consul, sessions; lock-delay.
"""

import asyncio
from collections.abc import Callable

from catalog.duration import SECOND, parse_duration
from catalog.rows.session import Session
from catalog.writes.tx import Effect, LockDelayed, SessionBegan, SessionEnded

TTL_FACTOR = 2  # grace for a renewal that is on its way


class SessionTimers:
    """``end(session_id)`` is called when a session's time is up."""

    def __init__(self, end: Callable[[str], None]) -> None:
        self._end = end
        self._leads = False
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._delayed_until_s: dict[str, float] = {}

    @property
    def active(self) -> int:
        """How many sessions have a running TTL."""
        return len(self._expiries)

    def hear(self, effect: Effect) -> None:
        """Follow what applied commands set off."""
        match effect:
            case SessionBegan():
                if self._leads:
                    self.renew(effect.id, effect.ttl)
            case SessionEnded():
                self._stop(effect.id)
            case LockDelayed():
                self._delay(effect)

    def lead(self, sessions: list[Session]) -> None:
        """Start the TTL of every session in full: this server begins to lead."""
        self._leads = True
        for session in sessions:
            self.renew(session.id, session.ttl)

    def renew(self, session_id: str, ttl: str) -> None:
        """Start a session's TTL anew; nothing for one without TTL."""
        span_ns = parse_duration(ttl) if ttl else 0
        if span_ns <= 0:
            return
        self._stop(session_id)
        loop = asyncio.get_running_loop()
        self._expiries[session_id] = loop.call_later(
            TTL_FACTOR * span_ns / SECOND, self._expire, session_id
        )

    def retry(self, session_id: str, delay_s: float) -> None:
        """Ask again for the end of a session, when it could not be proposed; if this one leads."""
        if not self._leads:
            return
        loop = asyncio.get_running_loop()
        self._expiries[session_id] = loop.call_later(delay_s, self._expire, session_id)

    def _expire(self, session_id: str) -> None:
        del self._expiries[session_id]
        self._end(session_id)

    def _stop(self, session_id: str) -> None:
        timer = self._expiries.pop(session_id, None)
        if timer is not None:
            timer.cancel()

    def _delay(self, effect: LockDelayed) -> None:
        loop = asyncio.get_running_loop()
        delay_s = effect.delay_ns / SECOND
        self._delayed_until_s[effect.key] = loop.time() + delay_s
        loop.call_later(delay_s, self._undelay, effect.key)

    def _undelay(self, key: str) -> None:
        until_s = self._delayed_until_s.get(key)
        if until_s is not None and until_s <= asyncio.get_running_loop().time():
            del self._delayed_until_s[key]

    def lock_delayed(self, key: str) -> bool:
        """Whether a key may not be locked yet."""
        until_s = self._delayed_until_s.get(key)
        return until_s is not None and until_s > asyncio.get_running_loop().time()

    def stop(self) -> None:
        """Stop the TTLs: this server no longer leads."""
        self._leads = False
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()
