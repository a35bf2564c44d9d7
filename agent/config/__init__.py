"""Configuration of the agent: one schema behind flags, files, help, docs, self and reload."""

from agent.config.addresses import Listen
from agent.config.flags import Flags, help_text, parse_flags
from agent.config.load import load, validate
from agent.config.runtime import RuntimeConfig
from agent.config.sockaddr import Interface
from agent.config.tree import ConfigError

__all__ = [
    "ConfigError",
    "Flags",
    "Interface",
    "Listen",
    "RuntimeConfig",
    "help_text",
    "load",
    "parse_flags",
    "validate",
]
