"""What a reload changes: LIVE keys are taken over, changed RESTART keys are only reported.

A reload is all or nothing: the new configuration is loaded and judged whole first, and only then
``plan_reload`` is asked; an error leaves the running configuration as it is.
"""

from typing import Any, NamedTuple

import msgspec

from agent.config.root import Root
from agent.config.runtime import RuntimeConfig
from agent.config.schema import LIVE, Kind, Reload, Section, fields_of, walk


class ReloadPlan(NamedTuple):
    """``config`` is what runs from now on: the old one with the new values of LIVE keys.

    ``live`` and ``restart`` are the dotted keys that differ: taken over, and left for a restart.
    """

    config: RuntimeConfig
    live: tuple[str, ...]
    restart: tuple[str, ...]


def plan_reload(old: RuntimeConfig, new: RuntimeConfig) -> ReloadPlan:
    """Compare two configurations key by key, by the schema's marks."""
    changed: dict[Reload, list[str]] = {mark: [] for mark in Reload}
    for path, field in walk(Root):
        if field.kind is not Kind.SECTION and value_at(old, path) != value_at(new, path):
            changed[field.option.reload].append(path)
    config: RuntimeConfig = msgspec.structs.replace(
        old, **_live_values(Root, old, new, above=Reload.RESTART), warnings=new.warnings
    )
    return ReloadPlan(config, tuple(changed[Reload.LIVE]), tuple(changed[Reload.RESTART]))


def value_at(config: Section, path: str) -> Any:
    """The value of a dotted key, such as ``ports.http``."""
    value: Any = config
    for key in path.split("."):
        value = getattr(value, key)
    return value


def _live_values(
    kind: type[Section], old: Section, new: Section, *, above: Reload
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in fields_of(kind).items():
        mark = LIVE if above is LIVE else field.option.reload
        before, after = getattr(old, name), getattr(new, name)
        if field.kind is Kind.SECTION and field.nested is not None and mark is not LIVE:
            inner = _live_values(field.nested, before, after, above=mark)
            if inner:
                values[name] = msgspec.structs.replace(before, **inner)
        elif mark is LIVE:
            values[name] = after
    return values
