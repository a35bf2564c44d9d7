"""What a server gives to its endpoints: the things of the edge that stamp a write."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from agent.rpc.request import Reply, Request
from catalog.intentions import ALLOWED_BY_DEFAULT, Decision
from catalog.store import Store

if TYPE_CHECKING:
    from agent.connect.authority import Authority
    from agent.rpc.endpoints.server_state import ServerState


class Random(Protocol):
    """The random generator, passed down so that tests can seed it."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def shuffle(self, x: list) -> None:  # type: ignore[type-arg] # as in the standard library
        """Reorder a list in place."""


class Done(msgspec.Struct, frozen=True):
    """A write that needs no command: its reply's value."""

    value: object


class Elsewhere(msgspec.Struct, frozen=True):
    """A read that found nothing here: how to ask on, which takes time, for its reply's value."""

    ask: Callable[[], Awaitable[Any]]


class Abroad(Protocol):
    """The other datacenters: agent.rpc.abroad.Abroad."""

    def datacenters(self) -> tuple[str, ...]:
        """Those known, near ones first."""

    def is_for(self, request: Request) -> bool:
        """Whether a request is for another datacenter than this server's."""

    async def call(self, request: Request) -> Reply:
        """The answer of the request's datacenter. Raises what it raised, or RpcError."""


class Timers(Protocol):
    """The leader's clocks of sessions and lock-delays."""

    def lock_delayed(self, key: str) -> bool:
        """Whether a key may not be locked yet."""

    def renew(self, session_id: str, ttl: str) -> None:
        """Start a session's TTL anew."""


class ServerContext:
    """The server as its endpoints see it."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        *,
        store: Store,
        datacenter: str,
        node_name: str,
        timers: Timers,
        rng: Random,
        new_uuid: Callable[[], str],
        now_s: Callable[[], float],
        session_ttl_min_ns: int,
        authority: "Authority | None" = None,
        abroad: Abroad | None = None,
        undecided: Decision = ALLOWED_BY_DEFAULT,
    ) -> None:
        self.store = store
        self.datacenter = datacenter
        self.node_name = node_name
        self.timers = timers
        self.rng = rng
        self.new_uuid = new_uuid
        self.now_s = now_s
        self.session_ttl_min_ns = session_ttl_min_ns
        # What this server knows of itself and the others; set once the agent around it is made.
        self.state: ServerState
        # Who signs the mesh's certificates; None where Connect is off.
        self.authority = authority
        # None where no other datacenter can be reached.
        self.abroad = abroad
        # What holds for a connection of which no intention says anything.
        self.undecided = undecided
