"""``agent``: hand over to the program that runs an agent; its flags come from its own schema."""

from agent.cli.command import Call
from agent.cli.failure import Failure
from agent.cli.output import say


def agent(call: Call) -> int:
    """``agent``; returns when the agent has ended."""
    from agent.config import ConfigError, help_text, parse_flags

    try:
        wants_help = parse_flags(call.arguments).help
    except ConfigError as error:
        raise Failure(str(error)) from error
    if wants_help:
        say(help_text())
        return 0
    from agent.main import run_agent

    return run_agent(list(call.arguments))
