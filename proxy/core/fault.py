"""Faults that are put in on purpose. Source: Envoy's fault filter."""

import msgspec

from proxy.api import Fault


class Injection(msgspec.Struct, frozen=True):
    """What to do to one request: wait first (0: not), then answer with a status (0: do not)."""

    delay_s: float = 0.0
    abort_status: int = 0


NOTHING = Injection()


def inject(fault: Fault | None, delay_random: float, abort_random: float) -> Injection:
    """Whether a request is delayed and whether it is aborted; two numbers in [0, 1) draw it.

    A request that is spared gets `NOTHING` itself.
    """
    if fault is None:
        return NOTHING
    delays = delay_random * 100.0 < fault.delay_percent
    aborts = fault.abort_status > 0 and abort_random * 100.0 < fault.abort_percent
    delay_s = fault.delay_s if delays else 0.0
    if not delay_s and not aborts:
        return NOTHING
    return Injection(delay_s, fault.abort_status if aborts else 0)
