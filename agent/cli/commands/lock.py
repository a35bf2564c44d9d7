"""``lock``: run a command while holding a lock or one place of a semaphore.

Threads do what blocks (waiting for the lock, watching it, waiting for the child) and report to
one queue, as do the signal handlers; the main thread only reads that queue. So a signal is
obeyed at any time, whatever is being waited for.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Final, assert_never

import msgspec

from agent.cli.child import Child, command_line
from agent.cli.command import Call
from agent.cli.failure import EXIT_FAILED, EXIT_OK, Failure
from agent.cli.flags import seconds
from agent.cli.holding import Deadline, Holding
from agent.cli.mutex import Mutex
from agent.cli.output import say, warn
from agent.cli.semaphore import Semaphore
from agent.cli.session import Session

CHILD_GRACE_S: Final = 5.0  # from SIGTERM to SIGKILL, as Consul's lock does
# Waiting for the agent's answer while we go: a waiting lock must be gone within 2 s.
FAREWELL_S: Final = 1.5
SLEEP_S: Final = 0.2  # at a time, while waiting for what happens next
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Acquired(msgspec.Struct, frozen=True):
    """The lock is ours."""


class NotAcquired(msgspec.Struct, frozen=True):
    """The lock did not become ours; ``reason`` is for the user."""

    reason: str


class Lost(msgspec.Struct, frozen=True):
    """The lock is no longer ours, or we cannot tell."""

    reason: str = ""


class Ended(msgspec.Struct, frozen=True):
    """The child has ended."""

    exit_code: int


class Signalled(msgspec.Struct, frozen=True):
    """A signal came."""

    number: int


Event = Acquired | NotAcquired | Lost | Ended | Signalled
Events = SimpleQueue[Event]


def lock(call: Call) -> int:
    """``lock PREFIX COMMAND...``."""
    call.expect_arguments(2, None, "Key prefix and child command must be specified")
    if call.number("n") < 1:
        raise Failure("Lock holder limit must be positive")
    if call.number("timeout") < 0 or call.number("try") < 0:
        raise Failure("Timeout must be positive")
    prefix = call.arguments[0].strip("/")
    if not prefix:
        raise Failure("Key prefix must not be empty")
    words = call.arguments[1:]
    title = call.text("name") or f"Consul lock for '{' '.join(words)}' at '{prefix}'"
    limit = call.number("n")
    retries_max = call.number("monitor-retry")
    session = Session(call.client, title, behavior="delete" if limit > 1 else "release")
    holding: Holding = (
        Mutex(call.client, f"{prefix}/.lock", session, retries_max)
        if limit == 1
        else Semaphore(call.client, prefix, session, retries_max, limit=limit)
    )
    events: Events = SimpleQueue()
    with _signals_to(events):
        return _Run(call, session, holding, events).run(words)


@contextmanager
def _signals_to(events: Events) -> Iterator[None]:
    def report(number: int, _frame: object) -> None:
        events.put(Signalled(number))  # SimpleQueue.put may be re-entered by a handler

    before = {number: signal.signal(number, report) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _next(events: Events) -> Event:
    """The next event, whenever it comes."""
    event = _next_within(events, Deadline(0.0))
    assert event is not None, "this deadline never comes"
    return event


def _next_within(events: Events, limit: Deadline) -> Event | None:
    """The next event; None once the time is up.

    A signal that comes just before this thread falls asleep is handled when it wakes up, so it
    never sleeps for long.
    """
    while True:
        try:
            return events.get(timeout=limit.remaining_s(SLEEP_S))
        except Empty:
            if limit.passed():
                return None


class _Run:
    """One run of the command, from the first contention to the last farewell."""

    def __init__(self, call: Call, session: Session, holding: Holding, events: Events) -> None:
        self._call = call
        self._session = session
        self._holding = holding
        self._events = events

    def run(self, words: tuple[str, ...]) -> int:
        """Return the exit code."""
        self._narrate("Waiting for the lock")
        _start("lock acquisition", self._acquire)
        event = _next(self._events)
        match event:
            case Acquired():
                return self._hold(words)
            case Signalled():
                warn("Shutdown triggered during lock acquisition")
            case NotAcquired(reason):
                warn(reason)
            case Lost() | Ended():
                raise AssertionError(event)  # neither watch nor child has been started
            case _:
                assert_never(event)
        _say_farewell(self._session.close)
        return EXIT_FAILED

    def _acquire(self) -> None:
        limit_s = seconds(self._call.number("timeout") or self._call.number("try"))
        try:
            self._session.open()
            acquired = self._holding.acquire(Deadline(limit_s))
        except Failure as failure:
            self._events.put(NotAcquired(f"Lock acquisition failed: {failure}"))
            return
        self._events.put(Acquired() if acquired else NotAcquired("Timeout during lock acquisition"))

    def _hold(self, words: tuple[str, ...]) -> int:
        self._narrate(f"Lock acquired; running '{' '.join(words)}'")
        _start("lock watch", self._watch)
        try:
            child = Child(
                command_line(words, shell=self._call.switch("shell")),
                {"CONSUL_LOCK_HELD": "true"},
                pass_stdin=self._call.switch("pass-stdin"),
            )
        except Failure as failure:
            warn(str(failure))
            self._give_back()
            return EXIT_FAILED
        _start("child", lambda: self._events.put(Ended(child.wait())))
        event = _next(self._events)
        lost = False
        match event:
            case Ended(exit_code):
                pass
            case Lost(reason):
                lost = True
                warn(f"Lock lost, killing child{': ' if reason else ''}{reason}")
                exit_code = self._end(child)
            case Signalled():
                warn("Shutdown triggered, killing child")
                exit_code = self._end(child)
            case Acquired() | NotAcquired():
                raise AssertionError(event)  # reported once, and read before
            case _:
                assert_never(event)
        released = self._give_back()
        if lost or not released:
            return EXIT_FAILED
        return exit_code if self._call.switch("child-exit-code") else EXIT_OK

    def _watch(self) -> None:
        try:
            self._holding.await_loss()
        except Failure as failure:
            self._events.put(Lost(str(failure)))
        else:
            self._events.put(Lost())

    def _end(self, child: Child) -> int:
        """Ask the child to end, then make it; a second signal is taken as impatience."""
        child.send(signal.SIGTERM)
        grace = Deadline(CHILD_GRACE_S)
        while True:
            event = _next_within(self._events, grace) or Signalled(signal.SIGKILL)
            match event:
                case Ended(exit_code):
                    return exit_code
                case Signalled():
                    child.send(signal.SIGKILL)
                    grace = Deadline(CHILD_GRACE_S)
                case Lost() | Acquired() | NotAcquired():
                    continue
                case _:
                    assert_never(event)

    def _give_back(self) -> bool:
        """Release the lock and end the session; False when that could not be done in time."""
        outcome: list[str] = []

        def release() -> None:
            try:
                self._holding.release()
                if self._holding.tidy():
                    self._narrate("Lock released; nobody else uses it")
                else:
                    self._narrate("Lock released; others use it")
            except Failure as failure:
                outcome.append(f"Lock release failed: {failure}")

        # The session goes even when the release failed: that frees the lock too.
        in_time = _say_farewell(release)
        in_time = _say_farewell(self._session.close) and in_time
        if not in_time:
            outcome.append("Lock release failed: the agent does not answer")
        for text in outcome:
            warn(text)
        return not outcome

    def _narrate(self, text: str) -> None:
        if self._call.switch("verbose"):
            say(text)


def _start(name: str, work: Callable[[], None]) -> threading.Thread:
    # Daemon threads: one blocked in a long query must not keep the program from its exit.
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _say_farewell(work: Callable[[], None]) -> bool:
    """Do ``work`` but do not wait for ever; False when it took too long.

    A failure is not reported: the session's TTL will do what ``work`` could not.
    """

    def quietly() -> None:
        try:
            work()
        except Failure:
            return

    thread = _start("farewell", quietly)
    thread.join(FAREWELL_S)
    return not thread.is_alive()
