"""One listener of a proxy: its socket, its filter chains, and its connections."""

import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from proxy.api import FilterChain, Listener
from proxy.chain_serving import ChainKey, ChainServing, ProxyState, Surroundings, chain_key
from proxy.connection import Facts, Handler
from proxy.serving import Serving
from proxy.tls import Contexts, CredentialsError

CHECKED_CHAINS_MAX: Final = 8
"""Whose certificates are tried before anybody comes: each takes a millisecond, and a gateway has
hundreds. What is wrong with others is seen at their first handshake."""

_log = logging.getLogger("proxy.runtime")


class AcceptorAtWork(Protocol):
    """Accepts at a socket."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> socket.socket:
        """Accept no more; the socket is the caller's."""


class MakeAcceptor(Protocol):
    """Makes what accepts; it asks for the newest listener and chains at each connection."""

    def __call__(
        self,
        sock: socket.socket,
        *,
        listener: Callable[[], Listener],
        chains: Callable[[], Sequence[Serving]],
        contexts: Contexts,
        handler_of: Callable[[Serving, Facts], Handler],
    ) -> AcceptorAtWork:
        """Make it; it accepts from ``start`` on."""


class ListenerParts(msgspec.Struct, frozen=True, kw_only=True):
    """What listeners are made of. ``bind`` raises OSError."""

    bind: Callable[[Listener], socket.socket]
    make_acceptor: MakeAcceptor
    make_handler: Callable[[Serving, Facts], Handler]


def place_of(listener: Listener) -> str:
    """Where it listens; two of the same place share a socket."""
    return listener.path or f"{listener.address}:{listener.port}"


class ListenerAtWork:
    """``fault`` says why it does not accept, or refuses its peers; empty if all is well.

    ``draining`` are chains that are no more, and still have connections.
    """

    def __init__(
        self,
        listener: Listener,
        state: ProxyState,
        contexts: Contexts,
        parts: ListenerParts,
        around: Surroundings,
    ) -> None:
        self.config = listener
        self.socket: socket.socket | None = None
        self.draining: list[ChainServing] = []
        self._bind_fault = ""
        self._credentials_fault = ""
        self.state = state
        self._contexts = contexts
        self._parts = parts
        self._around = around
        self._chains: dict[ChainKey, ChainServing] = {}
        self._acceptor: AcceptorAtWork | None = None
        self._set_chains()

    @property
    def fault(self) -> str:
        """What is wrong."""
        return self._bind_fault or self._credentials_fault

    @property
    def chains(self) -> list[ChainServing]:
        """What new connections are for."""
        return list(self._chains.values())

    @property
    def open_count(self) -> int:
        """How many connections are open or in their handshake."""
        return sum(chain.open_count for chain in (*self._chains.values(), *self.draining))

    def open(self, sock: socket.socket | None = None) -> None:
        """Accept at ``sock``, or at one that is bound now; what hinders it becomes the fault."""
        assert self._acceptor is None, "it is open"
        try:
            self.socket = sock or self._parts.bind(self.config)
        except OSError as error:
            self._bind_fault = f"{place_of(self.config)}: {error.strerror or error}"
            return
        self._bind_fault = ""
        self._acceptor = self._parts.make_acceptor(
            self.socket,
            listener=lambda: self.config,
            chains=lambda: self.chains,
            contexts=self._contexts,
            handler_of=self._handler,
        )
        self._acceptor.start()

    def change(
        self, listener: Listener, *, is_other: bool, clusters: frozenset[str] = frozenset()
    ) -> None:
        """Become ``listener``, which has the same place.

        Open connections are told if it changed, if anything else did that they are decided by
        (``is_other``), or if they lead to ``clusters``, whose endpoints came or went.
        """
        if self.config.path and self.config.mode != listener.mode:
            with suppress(OSError):  # somebody removed the file; all the rest must change
                Path(self.config.path).chmod(listener.mode)
        is_other = is_other or listener != self.config
        self.config = listener
        if is_other:
            self._set_chains()
        self.notify(is_other=is_other, clusters=clusters)

    def notify(self, *, is_other: bool, clusters: frozenset[str]) -> None:
        """Tell connections, also those that drain, that something changed, as in `change`."""
        for chain in (*self._chains.values(), *self.draining):
            if is_other or chain.leads_to(clusters):
                chain.notify()

    def stop(self) -> socket.socket | None:
        """Accept no more, and let what is open drain; gives the socket, which is the caller's."""
        sock, self.socket = self.socket, None
        if self._acceptor is not None:
            sock = self._acceptor.stop()
            self._acceptor = None
        for chain in self._chains.values():
            chain.drain()
        return sock

    def cut(self) -> int:
        """Close what is open; how many."""
        return sum(chain.cut() for chain in (*self._chains.values(), *self.draining))

    def _set_chains(self) -> None:
        old, self._chains = self._chains, {}
        for chain in self.config.chains:
            at_work = old.pop(chain_key(chain), None)
            if at_work is None:
                at_work = ChainServing(self.state, self.config, chain, self._around)
            at_work.change(self.config, chain)
            self._chains[chain_key(chain)] = at_work
        self._credentials_fault = self._check_credentials(self.config.chains)
        self.draining = [chain for chain in self.draining if chain.open_count]
        for gone in old.values():
            self._drain(gone)
        for left in self.draining:
            self._judge_anew(left)

    def _judge_anew(self, chain: ChainServing) -> None:
        """Hold a chain that is no more to the policy of the one that took its place."""
        for successor in self.config.chains:
            if set(successor.server_names) == set(chain.chain.server_names):
                newest = msgspec.structs.replace(chain.chain, policy=successor.policy)
                chain.change(chain.listener, newest)

    def _drain(self, chain: ChainServing) -> None:
        self.draining.append(chain)
        chain.drain()
        self._around.call_later(self.state.config.drain_s, lambda: _cut(chain))

    def _check_credentials(self, chains: Sequence[FilterChain]) -> str:
        try:
            for chain in chains[:CHECKED_CHAINS_MAX]:
                if chain.tls is not None:
                    self._contexts.server(chain.tls)
        except CredentialsError as error:
            return str(error)
        return ""

    def _handler(self, serving: Serving, facts: Facts) -> Handler:
        assert isinstance(serving, ChainServing), "they are our own chains"
        handler = self._parts.make_handler(serving, facts)
        return serving.connections.hold(handler)


def _cut(chain: ChainServing) -> None:
    if cut := chain.cut():
        _log.info("cut %d connections of a chain that is no more", cut)
