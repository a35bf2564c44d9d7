"""Whether verified tokens meet a requirement. Source: Consul, service-intentions, JWT."""

from collections.abc import Mapping
from typing import TypeAlias

from proxy.api import ClaimMatch, JwtRequirement

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Claims: TypeAlias = Mapping[str, "Json"]


def meets(requirement: JwtRequirement, verified: Mapping[str, Claims]) -> bool:
    """Whether a token of one of the providers was verified, and holds all that is asked of it."""
    for provider, wanted in requirement.providers:
        claims = verified.get(provider)
        if claims is not None and all(_holds(match, claims) for match in wanted):
            return True
    return False


def _holds(match: ClaimMatch, claims: Claims) -> bool:
    found: object = claims
    for step in match.path:
        if not isinstance(found, Mapping) or step not in found:
            return False
        found = found[step]
    return match.value in found if isinstance(found, list) else found == match.value
