"""A cluster of real processes on loopback: one server and the clients that join it.

Timers of the gossip are those of -dev on every agent, so that a test sees a failure within a
second. What is asked is asked through the agent that the test names.
"""

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.system.agent_process import (
    LOOPBACK,
    PORT_NAMES,
    AgentProcess,
    AgentStarter,
    free_ports,
    wait_until,
)

QUICK_GOSSIP = (
    '-hcl=gossip_lan { gossip_interval = "100ms" probe_interval = "100ms" '
    'probe_timeout = "100ms" suspicion_mult = 3 }'
)
QUICK_RAFT = "-hcl=performance { raft_multiplier = 1 }"
# A failure is suspected, spread and reconciled within about a second on a quiet machine.
CHANGE_WAIT_S = 20.0


class Cluster:
    """One server, started at once, and its clients by name.

    `options` are the server's; with `dev=False` it keeps a data directory.
    """

    def __init__(self, start_agent: AgentStarter, *options: str, dev: bool = True) -> None:
        self.starter = start_agent
        self.clients: dict[str, AgentProcess] = {}
        if not dev:
            options = (*options, *lasting_server(start_agent.directory / "server"))
        self.server = start_agent(*options, dev=dev)

    @property
    def agents(self) -> list[AgentProcess]:
        """The server and the clients."""
        return [self.server, *self.clients.values()]

    @property
    def lan_address(self) -> str:
        """Where to join."""
        return f"{LOOPBACK}:{self.server.ports['serf-lan']}"

    def client(self, name: str, *options: str) -> AgentProcess:
        """Start one more client and wait until every agent sees it as a passing node."""
        client = self.make_client(name, *options).start()
        self.clients[name] = client
        self.wait_node(name, "passing")
        return client

    def make_client(self, name: str, *options: str, directory: str = "") -> AgentProcess:
        """A client that will join, not started; its data directory is named after it."""
        joined = f"-retry-join={self.lan_address}"
        own = self.starter.directory / (directory or name)
        return self.starter.make(*client_options(name, own), joined, *options, dev=False)

    def wait_node(self, name: str, status: str, *, via: Iterable[AgentProcess] = ()) -> None:
        """Return once the node's serfHealth has this status, seen through each running agent."""
        for agent in via or [agent for agent in self.agents if agent.is_running()]:
            wait_until(
                lambda agent=agent: node_status(agent, name) == status,
                timeout_s=CHANGE_WAIT_S,
                what=f"{name} {status or 'not in the catalog'}",
            )


def client_options(name: str, data_dir: Path) -> tuple[str, ...]:
    """The options that every client has."""
    return (f"-node={name}", f"-bind={LOOPBACK}", f"-data-dir={data_dir}", QUICK_GOSSIP)


def lasting_server(data_dir: Path) -> tuple[str, ...]:
    """The options of a server that keeps what it is told."""
    kept = (f"-bind={LOOPBACK}", f"-data-dir={data_dir}", QUICK_GOSSIP, QUICK_RAFT)
    return ("-server", "-bootstrap-expect=1", *kept)


def spawn(agent: AgentProcess, ports: dict[str, int] | None = None) -> AgentProcess:
    """Start an agent without waiting that it serves; ports not given are new ones."""
    agent.ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True)) | (ports or {})
    agent.spawn()
    return agent


def wait_exit(agent: AgentProcess) -> int:
    """The exit status of a process that is about to end by itself."""
    assert agent.process is not None, "not started"
    return agent.process.wait(CHANGE_WAIT_S)


def wait_logged(agent: AgentProcess, text: str) -> None:
    """Return once the agent's log holds this text."""
    wait_until(lambda: text in agent.log_tail(), timeout_s=CHANGE_WAIT_S, what=f"log: {text}")


def node_status(agent: AgentProcess, name: str) -> str:
    """The serfHealth of a node as an agent sees it; empty when it is not in the catalog."""
    checks = agent.get(f"/v1/health/node/{name}").json
    return next((check["Status"] for check in checks if check["CheckID"] == "serfHealth"), "")


def member_status(agent: AgentProcess) -> dict[str, str]:
    """The members by name, as an agent sees them."""
    words = ("none", "alive", "leaving", "left", "failed")
    members = agent.get("/v1/agent/members").json
    return {member["Name"]: words[member["Status"]] for member in members}


def instances(agent: AgentProcess, service: str) -> list[tuple[str, int]]:
    """Node and port of a service's passing instances as an agent sees them."""
    rows: list[dict[str, Any]] = agent.get(f"/v1/health/service/{service}?passing").json
    return sorted((row["Node"]["Node"], row["Service"]["Port"]) for row in rows)


def interrupt(agent: AgentProcess) -> None:
    """End it as a user at the terminal does."""
    assert agent.process is not None, "not running"
    agent.process.send_signal(signal.SIGINT)


def terminate(agent: AgentProcess) -> None:
    """End it as a service supervisor does; a client leaves then, unless it is told not to."""
    assert agent.process is not None, "not running"
    agent.process.send_signal(signal.SIGTERM)


def run_leave(agent: AgentProcess) -> None:
    """End it by the command line."""
    done = agent.run("leave")
    assert (done.returncode, done.stdout) == (0, b"Graceful leave complete\n"), done


def put_leave(agent: AgentProcess) -> None:
    """End it by the API."""
    agent.put_ok("/v1/agent/leave")


WAYS_TO_LEAVE: tuple[Callable[[AgentProcess], None], ...] = (
    interrupt,
    terminate,
    run_leave,
    put_leave,
)


def is_blocked(agent: AgentProcess) -> bool:
    """Whether a blocking read waits at this agent."""
    gauges = agent.get("/v1/agent/metrics").json["Gauges"]
    return any(g["Name"].endswith("queries_blocking") and g["Value"] > 0 for g in gauges)
