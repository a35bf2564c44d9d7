"""Three servers on loopback to be measured: etcd's, bare ones of our log, or our agents.

Each kind syncs its log before it answers, keeps it on the same disk, and is used as it comes: etcd
with the settings of its package, our agents with an election timeout of one second, which is
etcd's. Only processes that were started here are ended.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.bench.load import LoadError
from tests.bench.raft_load import WARM_UP_S, Load
from tests.bench.raft_node import Costs
from tests.system.agent_process import LOOPBACK, ROOT, AgentStarter, free_ports, wait_until
from tests.system.servers import Servers, loopback_servers

COUNT = 3
LEADER_WAIT_S = 20.0
ANSWER_WAIT_S = 5.0
# One address may hold 200 connections by default.
UNCAPPED = ("-hcl", "limits { http_max_conns_per_client = 2000 }")

Answer = TypeVar("Answer")


class EtcdMember:
    """One member of etcd: its ports and process."""

    def __init__(self, name: str, ports: tuple[int, int]) -> None:
        self.name = name
        self.client_port, self.peer_port = ports
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def peer_url(self) -> str:
        """Where other members reach it."""
        return f"http://{LOOPBACK}:{self.peer_port}"

    def command(self, folder: Path, cluster: str) -> list[str]:
        """Its command line; all that is not about places is left to its defaults."""
        client_url = f"http://{LOOPBACK}:{self.client_port}"
        options = {
            "name": self.name,
            "data-dir": folder / self.name,
            "listen-client-urls": client_url,
            "advertise-client-urls": client_url,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "initial-cluster": cluster,
            "logger": "zap",
            "log-level": "error",
        }
        return ["etcd", *(f"--{name}={value}" for name, value in options.items())]

    def status(self) -> dict[str, Any]:
        """What it says of itself, by its JSON gateway; empty while it does not answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.client_port, timeout=ANSWER_WAIT_S)
        try:
            connection.request("POST", "/v3/maintenance/status", body="{}")
            return dict(json.loads(connection.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            connection.close()

    def leads(self) -> bool:
        """Whether it is the leader."""
        status = self.status()
        return bool(status.get("leader")) and status["leader"] == status["header"]["member_id"]


class EtcdServers:
    """Three members of etcd, running."""

    def __init__(self, members: list[EtcdMember]) -> None:
        self._members = members

    def leader(self) -> EtcdMember:
        """Who leads now."""
        found = wait_until(
            lambda: [member for member in self._members if member.leads()],
            timeout_s=LEADER_WAIT_S,
            what="a leader of etcd",
        )
        return found[0]

    def revision(self) -> int:
        """How many writes were made."""
        return int(self.leader().status()["header"]["revision"])

    def pids(self) -> list[int]:
        """The processes."""
        return [member.process.pid for member in self._members if member.process]


@contextmanager
def etcd_servers(folder: Path) -> Iterator[EtcdServers]:
    """Members that keep their data below ``folder``."""
    free = free_ports(2 * COUNT)
    members = [
        EtcdMember(f"m{number}", (free[2 * number], free[2 * number + 1]))
        for number in range(COUNT)
    ]
    cluster = ",".join(f"{member.name}={member.peer_url}" for member in members)
    folder.mkdir()
    with ExitStack() as ends:
        for member in members:
            log = ends.enter_context((folder / f"{member.name}.log").open("wb"))
            member.process = subprocess.Popen(
                member.command(folder, cluster), cwd=folder, stdout=log, stderr=log
            )
            ends.callback(_end, member.process)
        servers = EtcdServers(members)
        servers.leader()
        yield servers


class BareServer:
    """One bare server of our log, which answers questions by its standard streams."""

    def __init__(self, number: int, folder: Path, ports: list[int]) -> None:
        words = [str(number), str(folder / f"n{number}"), *map(str, ports)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.raft_node", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self) -> bytes:
        """The next line that it says; LoadError if it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise LoadError("a bare server has ended")
        return line

    def costs(self) -> Costs:
        """What it has used so far."""
        return self._ask("costs", Costs)

    def load(self, in_flight: int, seconds: float) -> Load:
        """Let it propose, as it leads."""
        return self._ask(f"load {in_flight} {seconds}", Load)

    def _ask(self, question: str, kind: type[Answer]) -> Answer:
        assert self.process.stdin is not None
        self.process.stdin.write(question.encode() + b"\n")
        self.process.stdin.flush()
        return msgspec.json.decode(self.read(), type=kind)


@contextmanager
def bare_servers(folder: Path) -> Iterator[tuple[BareServer, list[BareServer]]]:
    """(the leader, the followers)"""
    folder.mkdir()
    ports = free_ports(COUNT)
    with ExitStack() as ends:
        servers = []
        for number in range(COUNT):
            server = BareServer(number, folder, ports)
            ends.callback(_end, server.process)
            servers.append(server)
        for server in servers:
            server.read()  # "ready": it knows a leader
        leader = next(server for server in servers if server.costs().leads)
        yield leader, [server for server in servers if server is not leader]


@contextmanager
def agent_servers(folder: Path) -> Iterator[Servers]:
    """Agents, each a server, that serve."""
    folder.mkdir()
    starter = AgentStarter(folder)
    try:
        servers = loopback_servers(starter, COUNT, *UNCAPPED)
        servers.start()
        servers.wait_leader()
        time.sleep(WARM_UP_S)  # the first reconciliation
        yield servers
    finally:
        starter.end_all()


def cpu_s(pids: list[int]) -> float:
    """CPU seconds of processes with all their threads. Source: proc(5), schedstat."""
    files = (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
