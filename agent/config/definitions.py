"""Services, checks and watches in files: what can be judged without the rest of the agent.

Definitions stay plain dicts in the user's spelling (snake_case or CamelCase); the local state reads
their fields. Here a definition must have a name, and a watch a known type.
"""

from typing import Any, Final

from agent.config.tree import ConfigError, Origin

WATCH_TYPES: Final = (
    "key",
    "keyprefix",
    "services",
    "nodes",
    "service",
    "checks",
    "event",
    "connect_roots",
    "connect_leaf",
    "agent_service",
)
"""Kinds of watches. Source: surface §5.2."""


def check_definition(definition: dict[str, Any], path: str, origin: Origin | None) -> None:
    """Raise ConfigError when a definition lacks its name, or a watch its type."""
    area = path.partition("[")[0]
    if area in {"services", "checks"}:
        _check_name(definition, path, origin)
    elif area == "watches":
        _check_watch(definition, path, origin)


def definition_name(definition: dict[str, Any]) -> str:
    """The name, whichever way it is spelt; empty when there is none."""
    for key, value in definition.items():
        if key.lower() == "name" and isinstance(value, str):
            return value
    return ""


def _check_name(definition: dict[str, Any], path: str, origin: Origin | None) -> None:
    if not definition_name(definition):
        raise ConfigError("needs a name", path=f"{path}.name", origin=origin)


def _check_watch(definition: dict[str, Any], path: str, origin: Origin | None) -> None:
    if definition.get("type") not in WATCH_TYPES:
        message = f"must be one of {', '.join(WATCH_TYPES)}"
        raise ConfigError(message, path=f"{path}.type", origin=origin)
    handler_type = definition.get("handler_type", "script")
    if handler_type not in {"script", "http"}:
        message = "must be script or http"
        raise ConfigError(message, path=f"{path}.handler_type", origin=origin)
    if handler_type == "http":
        target = definition.get("http_handler_config")
        if not isinstance(target, dict) or not target.get("path"):
            message = "must name the path to send to"
            raise ConfigError(message, path=f"{path}.http_handler_config", origin=origin)
    elif not definition.get("args") and not definition.get("handler"):
        message = "must name the command to run"
        raise ConfigError(message, path=f"{path}.args", origin=origin)
    if definition.get("args") and definition.get("handler"):
        message = "excludes handler"
        raise ConfigError(message, path=f"{path}.args", origin=origin)
