"""Rows of the commands about services, nodes and events."""

from typing import Final

from agent.cli.command import Command
from agent.cli.flags import Flag, Kind
from agent.cli.rows.shared import NODE_META, SHELL, WAN

GROUP: Final = "Services and nodes"

ROWS: Final[tuple[Command, ...]] = (
    Command("catalog datacenters", GROUP, "List known datacenters", "catalog:datacenters"),
    Command(
        "catalog nodes",
        GROUP,
        "List nodes",
        "catalog:nodes",
        server=True,
        flags=(
            Flag("detailed", "Print full IDs, tagged addresses and metadata.", Kind.SWITCH),
            Flag("filter", "Expression that nodes must satisfy."),
            Flag("near", "Sort by round trip time from this node; _agent is this one."),
            NODE_META,
            Flag("service", "Only nodes with this service."),
        ),
    ),
    Command(
        "catalog services",
        GROUP,
        "List services",
        "catalog:services",
        server=True,
        flags=(
            Flag("node", "Only services of this node, by name or ID."),
            NODE_META,
            Flag("tags", "Print each service's tags.", Kind.SWITCH),
        ),
    ),
    Command(
        "services register",
        GROUP,
        "Register services with this agent",
        "services:register",
        "[FILE...]",
        flags=(
            Flag("address", "Address of the instance; the node's when empty."),
            Flag("id", "ID of the instance; the name when empty."),
            Flag("kind", "Kind: connect-proxy, mesh-gateway, terminating-gateway, ..."),
            Flag("meta", "Metadata, key=value.", Kind.TEXTS),
            Flag("name", "Name of the service."),
            Flag("port", "Port of the instance.", Kind.COUNT, "0"),
            Flag("tag", "Tag.", Kind.TEXTS),
            Flag("tagged-address", "Address for a tag, name=address[:port].", Kind.TEXTS),
        ),
        notes="FILE holds service definitions in HCL or JSON; - is standard input.",
    ),
    Command(
        "services deregister",
        GROUP,
        "Remove services from this agent",
        "services:deregister",
        "[FILE...]",
        flags=(Flag("id", "ID of the instance."),),
    ),
    Command(
        "event",
        GROUP,
        "Fire an event",
        "event:event",
        "[PAYLOAD]",
        flags=(
            Flag("datacenter", "Datacenter to fire in; the agent's own when empty."),
            Flag("name", "Name of the event."),
            Flag("node", "Only nodes whose name matches this pattern."),
            Flag("service", "Only nodes with a service that matches this pattern."),
            Flag("tag", "With -service, only instances whose tag matches this pattern."),
        ),
    ),
    Command(
        "exec",
        GROUP,
        "Run a command on many nodes",
        "remote:run",
        "COMMAND... | -",
        server=True,
        flags=(
            Flag("node", "Only nodes whose name matches this pattern."),
            Flag("prefix", "Prefix of the keys that carry the job.", default="_rexec"),
            Flag("service", "Only nodes with a service that matches this pattern."),
            SHELL,
            Flag("tag", "With -service, only instances whose tag matches this pattern."),
            Flag("verbose", "Print each step.", Kind.SWITCH),
            Flag("wait", "Quiet time after which the job has ended.", Kind.DURATION, "2s"),
            Flag("wait-repl", "Time for the job to reach all servers.", Kind.DURATION, "200ms"),
        ),
        notes="Agents obey only with disable_remote_exec = false. The exit code is 2 when the "
        "command failed on any node.",
    ),
    Command(
        "rtt",
        GROUP,
        "Estimate the round trip time between two nodes",
        "rtt:rtt",
        "NODE1 [NODE2]",
        flags=(WAN,),
        notes="NODE2 is this agent's node when left out. With -wan names are node.datacenter.",
    ),
)
