"""``agent``: hand over to the program that runs an agent."""

from agent.cli.command import Call


def agent(call: Call) -> int:
    """``agent``, with flags of its own."""
    from agent.main import run_agent

    code: int = run_agent(list(call.arguments))
    return code
