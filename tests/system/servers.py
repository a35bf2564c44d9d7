"""A cluster of several real servers: on loopback ports, or each on a host of its own.

All are told of each other before any is started, so the order does not matter. What is asked of
the cluster goes to a server that the test names; ``leader`` asks them all and believes a majority.
"""

import contextlib
import http.client
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.system.agent_process import (
    LOOPBACK,
    PORT_NAMES,
    AgentProcess,
    AgentStarter,
    free_ports,
    wait_until,
)
from tests.system.cluster import QUICK_RAFT
from tests.system.network import HostedAgent
from tests.system.switch import Switch

# A failure is believed within a second or two, and a busy machine is no failure.
PATIENT_GOSSIP: Final = (
    '-hcl=gossip_lan { gossip_interval = "100ms" probe_interval = "500ms" '
    'probe_timeout = "250ms" suspicion_mult = 2 }'
)
# A server that starts among others finds them at once, and does not wait half a minute when not.
QUICK_JOIN: Final = "-retry-interval=500ms"
# Servers of a host each have the ports that everybody knows.
HOST_PORTS: Final = dict(zip(PORT_NAMES, (8500, 8600, 8301, 8302, 8300), strict=True))
# The election timeout with ``QUICK_RAFT``: a follower waits for one to two of them.
ELECTION_TIMEOUT_S: Final = 1.0
# Elections, and the start of processes, of a busy machine.
LEADER_WAIT_S: Final = 20.0
# A server that cannot answer a question of its own process at once stands still.
PROBE_TIMEOUT_S: Final = 2.0


class Servers:
    """The servers by name. Started, stopped and asked one by one or all."""

    def __init__(self, agents: Mapping[str, AgentProcess], addresses: Mapping[str, str]) -> None:
        self.agents = dict(agents)
        self.addresses = dict(addresses)

    def __getitem__(self, name: str) -> AgentProcess:
        return self.agents[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.agents)

    @property
    def names(self) -> list[str]:
        """All, whether they run or not."""
        return list(self.agents)

    @property
    def running(self) -> dict[str, AgentProcess]:
        """Those whose process is there, also when it stands still."""
        return {name: agent for name, agent in self.agents.items() if agent.is_running()}

    def start(self, names: Iterable[str] | None = None) -> None:
        """Start these or all at once, and wait until each serves."""
        started = [self.agents[name] for name in (names or self.agents)]
        for agent in started:
            agent.spawn()
        for agent in started:
            agent.wait_ready()

    def end(self) -> None:
        """Kill what still runs."""
        for agent in self.agents.values():
            agent.kill()

    def leader(self, among: Iterable[str] | None = None) -> str:
        """Who a majority of these (default: the running) says leads; empty while there is none."""
        asked = list(among or self.running)
        told = Counter(self._leader_seen_by(name) for name in asked)
        address, count = max(told.items(), key=lambda item: item[1], default=("", 0))
        if not address or 2 * count <= len(asked):
            return ""
        return next((name for name, own in self.addresses.items() if own == address), "")

    def wait_leader(self, *, other_than: str = "", among: Iterable[str] | None = None) -> str:
        """The leader once there is one (another one than that)."""
        asked = list(among) if among else None

        def found() -> str:
            name = self.leader(asked)
            return "" if name == other_than else name

        what = f"a leader other than {other_than}" if other_than else "a leader"
        return wait_until(found, timeout_s=LEADER_WAIT_S, what=what)

    def followers(self) -> list[str]:
        """The running servers that do not lead."""
        leader = self.wait_leader()
        return [name for name in self.running if name != leader]

    def _leader_seen_by(self, name: str) -> str:
        try:
            answer = self.agents[name].get("/v1/status/leader", timeout_s=PROBE_TIMEOUT_S)
            return str(answer.json)
        except (OSError, http.client.HTTPException, ValueError):
            return ""

    def members(self, via: str) -> dict[str, bool]:
        """Node name to whether it has a vote, of the log's membership as a server sees it."""
        rows = self.agents[via].get("/v1/operator/raft/configuration?stale").json["Servers"]
        return {row["Node"]: row["Voter"] for row in rows}

    def wait_members(self, expected: Mapping[str, bool], via: str) -> None:
        """Return once the membership is this."""
        what = f"members {dict(expected)}"
        wait_until(
            lambda: self._members_or_none(via) == expected, timeout_s=LEADER_WAIT_S, what=what
        )

    def node_id(self, name: str) -> str:
        """The id that a running server has now."""
        return str(self.agents[name].get("/v1/agent/self").json["Config"]["NodeID"])

    def wait_voters(self, names: Iterable[str], via: str) -> None:
        """Return once these servers, as they are now, are the voters and there are no others."""
        ids = {self.node_id(name) for name in names}

        def agreed() -> bool:
            rows = self.agents[via].get("/v1/operator/raft/configuration").json["Servers"]
            return {row["ID"] for row in rows if row["Voter"]} == ids == {row["ID"] for row in rows}

        wait_until(agreed, timeout_s=LEADER_WAIT_S, what=f"the voters {sorted(ids)}")

    def _members_or_none(self, via: str) -> dict[str, bool] | None:
        with contextlib.suppress(OSError, KeyError, ValueError, http.client.HTTPException):
            return self.members(via)
        return None

    def stored(self, name: str, prefix: str) -> list[dict[str, Any]] | None:
        """The rows below a prefix in a server's own state; None while it does not answer."""
        try:
            answer = self.agents[name].get(f"/v1/kv/{prefix}?recurse&stale")
        except (OSError, http.client.HTTPException):
            return None
        match answer.status:
            case 200:
                return list(answer.json)
            case 404:
                return []
            case _:
                return None

    def wait_same(self, prefix: str, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The rows below a prefix, once these or all servers hold the same; TimeoutError shows."""
        asked = names or self.names

        def same() -> list[list[dict[str, Any]] | None] | None:
            all_rows = [self.stored(name, prefix) for name in asked]
            is_same = all_rows[0] is not None and all(rows == all_rows[0] for rows in all_rows)
            return all_rows if is_same else None

        found = wait_until(same, timeout_s=LEADER_WAIT_S, what=f"the same {prefix} on {asked}")
        assert found is not None
        assert found[0] is not None
        return found[0]


def server_options(name: str, expect: int, data_dir: Path, peers: Iterable[str]) -> list[str]:
    """The options of one server that begins a cluster with ``expect`` ones and joins the peers."""
    return [
        f"-node={name}",
        "-server",
        f"-bootstrap-expect={expect}",
        f"-data-dir={data_dir}",
        *(f"-retry-join={peer}" for peer in peers),
        QUICK_JOIN,
        PATIENT_GOSSIP,
        QUICK_RAFT,
    ]


def loopback_servers(starter: AgentStarter, count: int, *options: str) -> Servers:
    """Servers s1, s2, ... on ports of their own, not started. The starter ends them."""
    names = [f"s{number}" for number in range(1, count + 1)]
    free = free_ports(len(PORT_NAMES) * count)
    agents: dict[str, AgentProcess] = {}
    for number, name in enumerate(names):
        own = free[number * len(PORT_NAMES) : (number + 1) * len(PORT_NAMES)]
        agents[name] = starter.make(dev=False)
        agents[name].ports = dict(zip(PORT_NAMES, own, strict=True))
    peers = [f"{LOOPBACK}:{agent.ports['serf-lan']}" for agent in agents.values()]
    for name, agent in agents.items():
        kept = agent.log_path.parent / "data"
        agent.arguments = (
            *server_options(name, count, kept, peers),
            f"-bind={LOOPBACK}",
            *options,
        )
    return Servers(
        agents, {name: f"{LOOPBACK}:{agent.ports['server']}" for name, agent in agents.items()}
    )


def hosted_servers(
    switch: Switch,
    directory: Path,
    prefixes: Mapping[str, Sequence[str]],
    *options: str,
) -> Servers:
    """One server on each host, not started. ``prefixes``: what is put before a server's command."""
    peers = [f"{address}:{HOST_PORTS['serf-lan']}" for address in switch.hosts.values()]
    agents: dict[str, AgentProcess] = {}
    for name in switch.hosts:
        data_dir = directory / f"data-{name}"
        arguments = server_options(name, len(switch.hosts), data_dir, peers)
        agent = HostedAgent(switch, name, directory / name, *arguments, *options)
        agent.ports = dict(HOST_PORTS)
        agent.program = (*prefixes.get(name, ()), *agent.program)
        agents[name] = agent
    ports = HOST_PORTS["server"]
    return Servers(agents, {name: f"{address}:{ports}" for name, address in switch.hosts.items()})


def pause(agent: AgentProcess) -> None:
    """Stop the process where it is, as a paused virtual machine is."""
    assert agent.process is not None, "not running"
    agent.process.send_signal(signal.SIGSTOP)


def resume(agent: AgentProcess) -> None:
    """Let it go on."""
    if agent.process is not None:
        os.kill(agent.process.pid, signal.SIGCONT)
