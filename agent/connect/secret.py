"""Secrets in an authority's settings: kept apart from what is shown, by where they stand.

What is shown in their place can be written back, and then means the secret that is known already.
A private key is not among them: it is kept with its root.
"""

from collections.abc import Mapping
from typing import Any, Final

from agent.connect.settings import HIDDEN
from catalog.errors import Invalid

PLACES: Final = (("Token",), ("AuthMethod", "Params", "secret_id"))


def hide(
    config: Mapping[str, Any], known: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings as they are shown, and their secrets by place. Raises Invalid."""
    secrets: dict[str, str] = {}
    shown = dict(config)
    for place in PLACES:
        name, value = ".".join(place), _at(shown, place)
        if value is None or value == "":
            continue
        if value == HIDDEN and name not in known:
            message = f"{name} is {HIDDEN!r}, but none is known"
            raise Invalid(message)
        secrets[name] = known[name] if value == HIDDEN else str(value)
        shown = _with(shown, place, HIDDEN)
    return shown, secrets


def reveal(config: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The settings with their secrets, for whoever has to use them."""
    revealed = dict(config)
    for place in PLACES:
        name = ".".join(place)
        if name in secrets:
            revealed = _with(revealed, place, secrets[name])
    return revealed


def _at(config: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    value: Any = config
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _with(config: Mapping[str, Any], place: tuple[str, ...], value: str) -> dict[str, Any]:
    name, *rest = place
    inner = _with(config[name], tuple(rest), value) if rest else value
    return {**config, name: inner}
