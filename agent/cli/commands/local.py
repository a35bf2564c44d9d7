"""``info``, ``leave``, ``reload``, ``monitor``, ``validate``: one agent and its configuration."""

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import busy, say, write


def info(call: Call) -> int:
    """``info``: sections of ``key = value``, sorted."""
    call.expect_arguments(0, 0, "")
    with explaining("Error querying agent"):
        stats = call.client.get_json("/v1/agent/self")["Stats"]
    for section in sorted(stats):
        say(f"{section}:")
        for key, value in sorted(stats[section].items()):
            say(f"\t{key} = {value}")
    return 0


def leave(call: Call) -> int:
    """``leave``: returns when the agent has left."""
    call.expect_arguments(0, 0, "")
    with explaining("Error leaving"), busy("Leaving the cluster"):
        call.client.put("/v1/agent/leave")
    say("Graceful leave complete")
    return 0


def reload(call: Call) -> int:
    """``reload``."""
    call.expect_arguments(0, 0, "")
    with explaining("Error reloading"):
        call.client.put("/v1/agent/reload")
    say("Configuration reload triggered")
    return 0


def monitor(call: Call) -> int:
    """``monitor``: the agent's log until the agent stops or the user does."""
    call.expect_arguments(0, 0, "")
    query = [("loglevel", call.text("log-level"))]
    if call.switch("log-json"):
        query.append(("logjson", "true"))
    try:
        with (
            explaining("Error starting monitor"),
            call.client.stream("/v1/agent/monitor", query) as pieces,
        ):
            for piece in pieces:
                write(piece)
    except KeyboardInterrupt:
        return 0
    return 0


def validate(call: Call) -> int:
    """``validate PATH...``: reads files as an agent would, without starting one."""
    call.expect_arguments(1, None, "Must specify at least one config file or directory")
    config_format = call.text("config-format")
    if config_format not in {"", "hcl", "json"}:
        message = f'-config-format must be hcl or json, not "{config_format}"'
        raise Failure(message)
    from agent.config import ConfigError, validate

    try:
        validate(list(call.arguments), config_format)
    except ConfigError as error:
        message = f"Config validation failed: {error}"
        raise Failure(message) from error
    if not call.switch("quiet"):
        say("Configuration is valid!")
    return 0
