"""In which order failover targets are tried, and whether near instances come first. Since 1.16."""

from typing import Final

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import quoted
from catalog.schema import Omit, Row

SEQUENTIAL: Final = "sequential"
BY_LOCALITY: Final = "order-by-locality"


class FailoverPolicy(Row, frozen=True, kw_only=True):
    """``mode``: "" or sequential; order-by-locality is only for Consul Enterprise."""

    mode: Omit[str] = ""
    regions: Omit[tuple[str, ...] | None] = None


class PrioritizeByLocality(Row, frozen=True, kw_only=True):
    """``mode``: "" or none; failover is only for Consul Enterprise."""

    mode: Omit[str] = ""


def validate_failover_policy(prefix: str, policy: FailoverPolicy | None) -> None:
    """Raise Invalid for a mode that is unknown or not there; ``prefix`` starts the text."""
    if policy is None or policy.mode in {"", SEQUENTIAL}:
        return
    if policy.mode == BY_LOCALITY:
        message = f"{prefix}Setting failover policies requires Consul Enterprise"
        raise Invalid(message)
    message = (
        f"{prefix}Failover policy mode must be '' or '{SEQUENTIAL}', not {quoted(policy.mode)}"
    )
    raise Invalid(message)


def validate_locality(locality: PrioritizeByLocality | None) -> None:
    """Raise Invalid for a mode that is not there; LoadBalancer.PreferNear does it instead."""
    if locality is not None and locality.mode not in {"", "none"}:
        raise Invalid("Prioritize-by-locality requires Consul Enterprise")
