"""The endpoints of one target: those that are usable now, and the balancer over them.

The balancer is made again when an endpoint is set aside or comes back, never for a request alone.
"""

from collections.abc import Callable, Sequence
from math import inf

from proxy.api import Balance, Outlier
from proxy.core.backend import Backend
from proxy.core.balance import Balancer, RandomSource, make_balancer
from proxy.core.hashing import Table, make_table
from proxy.core.outlier import may_eject


class Group:
    """``balance`` over ``backends``; ``open_max`` as in `proxy.core.balance.make_balancer`."""

    __slots__ = (
        "_backends",
        "_balance",
        "_balancer",
        "_distances",
        "_open_max",
        "_random",
        "_table",
        "_usable",
        "_valid_until_s",
        "_weights",
    )

    def __init__(
        self, balance: Balance, backends: Sequence[Backend], random: RandomSource, open_max: int
    ) -> None:
        self._balance = balance
        self._backends = backends
        self._random = random
        self._open_max = open_max
        # As they are now: the backends change with the configuration.
        self._weights = [(backend.endpoint.id, backend.weight) for backend in backends]
        self._distances = [backend.endpoint.rtt_s for backend in backends if balance.local]
        self._table: Table | None = None
        self._usable: Sequence[Backend] = ()
        self._balancer: Balancer | None = None
        self._valid_until_s = -inf

    def pick(self, now_s: float, hashed: int | None, avoid: frozenset[str]) -> Backend | None:
        """A usable endpoint that is not to be avoided; None if there is none."""
        if now_s >= self._valid_until_s:
            self._refresh(now_s)
        if self._balancer is None:
            return None
        left = self._usable
        if avoid:
            left = [backend for backend in left if backend.endpoint.id not in avoid]
            if not left:
                return None
        if hashed is not None and self._balance.policy in {"ring_hash", "maglev"}:
            return self._find(now_s, hashed, avoid)
        backend = self._balancer.pick(now_s)
        if avoid and backend.endpoint.id in avoid:
            return left[int(self._random() * len(left))]
        return backend

    def eject(self, backend: Backend, outlier: Outlier, now_s: float) -> bool:
        """Set an endpoint aside, unless too many are already."""
        ejected = sum(other.health.is_ejected(now_s) for other in self._backends)
        if backend.health.is_ejected(now_s) or not may_eject(
            outlier, ejected, len(self._backends), self._random()
        ):
            return False
        backend.health.eject(outlier, now_s)
        return True

    def inherit(self, before: "Group") -> None:
        """Go on as an older group: with its table, and with its rotation if nothing has changed."""
        if self._balance != before._balance or self._weights != before._weights:
            return
        self._table = before._table
        if (
            self._backends == before._backends
            and self._distances == before._distances
            and self._open_max == before._open_max
        ):
            self._usable = before._usable
            self._balancer = before._balancer
            self._valid_until_s = before._valid_until_s

    def outdate(self) -> None:
        """Look at all endpoints again before the next pick."""
        self._valid_until_s = -inf

    def _refresh(self, now_s: float) -> None:
        away = [other for other in self._backends if other.health.is_ejected(now_s)]
        self._valid_until_s = min((other.health.ejected_until_s for other in away), default=inf)
        self._usable = (
            [other for other in self._backends if not other.health.is_ejected(now_s)]
            if away
            else self._backends
        )
        self._balancer = (
            make_balancer(self._balance, self._usable, self._random, open_max=self._open_max)
            if self._usable
            else None
        )

    def _find(self, now_s: float, hashed: int, avoid: frozenset[str]) -> Backend:
        if self._table is None:
            self._table = make_table(self._balance, [each.endpoint for each in self._backends])
            assert self._table is not None, "the policy hashes"
        return self._backends[self._table.find(hashed, self._is_usable(now_s, avoid))]

    def _is_usable(self, now_s: float, avoid: frozenset[str]) -> Callable[[int], bool]:
        def usable(number: int) -> bool:
            backend = self._backends[number]
            return not backend.health.is_ejected(now_s) and backend.endpoint.id not in avoid

        return usable
