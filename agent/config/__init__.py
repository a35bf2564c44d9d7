"""Configuration of the agent: one schema behind flags, files, help, docs, self and reload."""

from agent.config.addresses import Listen
from agent.config.debug import debug_config
from agent.config.flags import Flags, help_text, parse_flags
from agent.config.interfaces import read_interfaces
from agent.config.load import load, validate
from agent.config.reload import ReloadPlan, plan_reload
from agent.config.runtime import RuntimeConfig
from agent.config.sockaddr import Interface
from agent.config.tree import ConfigError

__all__ = [
    "ConfigError",
    "Flags",
    "Interface",
    "Listen",
    "ReloadPlan",
    "RuntimeConfig",
    "debug_config",
    "help_text",
    "load",
    "parse_flags",
    "plan_reload",
    "read_interfaces",
    "validate",
]
