"""Rows of the commands about one agent."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.shared import FORMAT

GROUP: Final = "Agent"

ROWS: Final[tuple[Command, ...]] = (
    Command(
        "agent",
        GROUP,
        "Run an agent",
        "agent:agent",
        "[FLAGS]",
        http=False,
        parses_itself=True,
        notes="proconsul agent -help lists its flags.",
    ),
    Command("info", GROUP, "Print counters of the agent", "local:info"),
    Command("leave", GROUP, "Leave the cluster and stop", "local:leave"),
    Command("reload", GROUP, "Read the configuration again", "local:reload"),
    Command(
        "maint",
        GROUP,
        "Put the node or a service into maintenance, or out of it",
        "maint:maint",
        flags=(
            Flag("disable", "End maintenance.", Kind.SWITCH),
            Flag("enable", "Begin maintenance.", Kind.SWITCH),
            Flag("reason", "Why, in words."),
            Flag("service", "ID of a service; the whole node when empty."),
        ),
        notes="Without -enable or -disable, what is in maintenance is listed.",
    ),
    Command(
        "monitor",
        GROUP,
        "Follow the agent's log",
        "local:monitor",
        flags=(
            Flag("log-json", "Print lines as JSON.", Kind.SWITCH),
            Flag("log-level", "Least level: TRACE, DEBUG, INFO, WARN or ERR.", default="INFO"),
        ),
    ),
    Command(
        "debug",
        GROUP,
        "Record the agent's state over time in an archive",
        "debug:debug",
        flags=(
            Flag("archive", "Pack the directory into a .tar.gz file.", Kind.SWITCH, "true"),
            Flag(
                "capture",
                "What to record: agent, cluster, host, logs, metrics, pprof; all when left out.",
                Kind.TEXTS,
            ),
            Flag("duration", "How long to record.", Kind.DURATION, "2m"),
            Flag("interval", "Time between records.", Kind.DURATION, "30s"),
            Flag("output", "Directory to write; consul-debug-<time> when empty."),
        ),
    ),
    Command(
        "validate",
        GROUP,
        "Check configuration files",
        "local:validate",
        "FILE_OR_DIRECTORY...",
        http=False,
        flags=(
            Flag("config-format", "Format of files of any name: hcl or json."),
            Flag("quiet", "Print nothing when the configuration is valid.", Kind.SWITCH),
        ),
    ),
    Command("version", GROUP, "Print the version", "version:version", http=False, flags=(FORMAT,)),
)
