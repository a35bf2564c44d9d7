"""Both codecs together, with exchanges and requests that do anything at any time.

Whatever they do: each request and each exchange comes to one end, bodies arrive whole or not at
all, and when all is over nothing is left: no stream, no part that waits, no window that is shut.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.core.http2_end import CONNECTION_WINDOW_BYTES
from proxy.http import Fault
from proxy.http2_server import DRAINING_ANSWER_S
from tests.proxy.http2_world import Asked, Heard, World, answer, carry_one

FAULTS = (Fault.CLIENT, Fault.RESET, Fault.TIMEOUT, Fault.REFUSED, Fault.PROTOCOL)
SIZES = st.sampled_from([0, 1, 100, 20_000, 100_000, 700_000])


class Call:
    """A request on the client's side, and what its user has done with it."""

    def __init__(self, sent: Any, heard: Heard, *, is_sent: bool) -> None:
        self.sent = sent
        self.heard = heard
        self.is_sent = is_sent
        self.is_left = False

    @property
    def is_over(self) -> bool:
        last = self.heard.calls[-1] if self.heard.calls else None
        ended = isinstance(last, Fault) or (
            isinstance(last, tuple) and (last[0] == "end" or last[-1] is True)
        )
        return self.is_left or ended


class Together(RuleBasedStateMachine):
    """Steps are picked by hypothesis; bytes are carried only when a step says so."""

    @initialize()
    def connect(self) -> None:
        self.world = World().greet()
        self.calls: list[Call] = []
        self.answered: dict[int, str] = {}  # by exchange: what its answer came to

    # The client's user.

    @precondition(lambda self: self.world.client.room > 90)
    @rule(has_body=st.booleans())
    def ask(self, has_body: bool) -> None:
        sent, heard = self.world.ask(method=b"POST", has_body=has_body)
        self.calls.append(Call(sent, heard, is_sent=not has_body))

    def _open_calls(self) -> list[Call]:
        return [call for call in self.calls if not call.is_over]

    @precondition(lambda self: any(not c.is_sent for c in self._open_calls()))
    @rule(size=SIZES, pick=st.integers(0, 99))
    def send(self, size: int, pick: int) -> None:
        unsent = [call for call in self._open_calls() if not call.is_sent]
        unsent[pick % len(unsent)].sent.body(bytes(size))

    @precondition(lambda self: any(not c.is_sent for c in self._open_calls()))
    @rule(pick=st.integers(0, 99), has_trailers=st.booleans())
    def finish(self, pick: int, has_trailers: bool) -> None:
        unsent = [call for call in self._open_calls() if not call.is_sent]
        call = unsent[pick % len(unsent)]
        call.is_sent = True
        call.sent.end([(b"t", b"1")] if has_trailers else [])

    @precondition(lambda self: self._open_calls())
    @rule(pick=st.integers(0, 99), what=st.sampled_from(["pause", "resume", "resume", "reset"]))
    def hold(self, pick: int, what: str) -> None:
        calls = self._open_calls()
        call = calls[pick % len(calls)]
        if what == "reset":
            call.is_left = True
            call.sent.reset(FAULTS[pick % len(FAULTS)])
        else:
            getattr(call.sent, what)()

    # The exchanges.

    def _open_exchanges(self, *states: str) -> list[Asked]:
        return [
            asked
            for asked in self.world.site.asked
            if self.answered.get(id(asked), "none") in states
            and not any(isinstance(call, Fault) for call in asked.calls)
        ]

    @precondition(lambda self: self._open_exchanges("none"))
    @rule(pick=st.integers(0, 99), end=st.booleans())
    def begin(self, pick: int, end: bool) -> None:
        exchanges = self._open_exchanges("none")
        asked = exchanges[pick % len(exchanges)]
        self.answered[id(asked)] = "over" if end else "begun"
        asked.answer.head(answer(), end=end)

    @precondition(lambda self: self._open_exchanges("begun"))
    @rule(pick=st.integers(0, 99), size=SIZES)
    def give(self, pick: int, size: int) -> None:
        exchanges = self._open_exchanges("begun")
        exchanges[pick % len(exchanges)].answer.body(bytes(size))

    @precondition(lambda self: self._open_exchanges("begun"))
    @rule(pick=st.integers(0, 99), has_trailers=st.booleans())
    def complete(self, pick: int, has_trailers: bool) -> None:
        exchanges = self._open_exchanges("begun")
        asked = exchanges[pick % len(exchanges)]
        self.answered[id(asked)] = "over"
        asked.answer.end([(b"t", b"1")] if has_trailers else [])

    @precondition(lambda self: self._open_exchanges("none", "begun"))
    @rule(pick=st.integers(0, 99), what=st.sampled_from(["pause", "resume", "resume", "reset"]))
    def keep(self, pick: int, what: str) -> None:
        exchanges = self._open_exchanges("none", "begun")
        asked = exchanges[pick % len(exchanges)]
        if what == "reset":
            self.answered[id(asked)] = "over"
            asked.answer.reset(FAULTS[pick % len(FAULTS)])
        else:
            getattr(asked.answer, what)()

    # What lies between.

    @rule()
    def carry_forth(self) -> None:
        self.world.clock.advance()
        carry_one(self.world.client_wire, self.world.server)

    @rule()
    def carry_back(self) -> None:
        self.world.clock.advance()
        carry_one(self.world.server_wire, self.world.client)

    @rule(is_server=st.booleans(), is_full=st.booleans())
    def fill(self, is_server: bool, is_full: bool) -> None:
        end = self.world.server if is_server else self.world.client
        (end.pause_writing if is_full else end.resume_writing)()

    @precondition(lambda self: len(self.calls) > 3 and not self.world.serving.is_draining)
    @rule()
    def drain(self) -> None:
        self.world.serving.is_draining = True
        self.world.server.changed()

    @invariant()
    def each_comes_to_one_end(self) -> None:
        assert not self.world.server.end.is_dead
        for calls in [asked.calls for asked in self.world.site.asked]:
            faults = [call for call in calls if isinstance(call, Fault)]
            assert not faults or calls[-1] is faults[0]
        for call in self.calls:
            faults = [each for each in call.heard.calls if isinstance(each, Fault)]
            assert not faults or call.heard.calls[-1] is faults[0]

    def teardown(self) -> None:
        """Let all come to its end."""
        world = self.world
        world.server.resume_writing()
        world.client.resume_writing()
        world.carry()
        for call in self._open_calls():
            call.sent.resume()
            if not call.is_sent:
                call.sent.end([])
        world.carry()
        for asked in self._open_exchanges("none", "begun"):
            asked.answer.resume()
            if self.answered.get(id(asked)) != "begun":
                asked.answer.head(answer(), end=False)
            asked.answer.end([])
        world.clock.advance(DRAINING_ANSWER_S)
        world.carry()

        assert all(call.is_over for call in self.calls)
        for codec in (world.server, world.client):
            end = codec.link.end
            assert {} == end.streams == codec._streams
            assert CONNECTION_WINDOW_BYTES == end._receive_left + end._unreturned_bytes
            assert {} == end.outbox._waiting
        if world.serving.is_draining:
            assert world.server_wire.is_closed
            assert world.client_wire.is_closed
        else:
            assert 100 == world.client.room


Together.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTogether = Together.TestCase
