"""Hosts and a bridge between them, made of network namespaces, for tests that pull the cable.

    host a ── eth0 ◄─ veth ─► port-a ── bridge ── port-b ◄─ veth ─► eth0 ── host b

Taking a port from the bridge loses every packet without a word to either side, as a broken switch
does. Nothing outside of the namespaces is touched; they end with the block. Needs root and
iproute2. Agents are asked through a Unix socket, which knows no namespaces.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from typing_extensions import override

from tests.system.agent_process import AgentProcess

COMMAND_WAIT_S = 10.0
HOSTS = {"a": "10.213.0.1", "b": "10.213.0.2"}
AnyNetwork = TypeVar("AnyNetwork", bound="Network")


class Network:
    """The namespaces; `prefix` begins their names, `hosts` are the addresses by name."""

    def __init__(self, prefix: str, hosts: Mapping[str, str]) -> None:
        self.prefix = prefix
        self.hosts = hosts

    def namespace(self, part: str) -> str:
        """The namespace of a host or of the hub."""
        return f"{self.prefix}-{part}"

    def make(self) -> None:
        """Make all; fails the test where this machine does not let us."""
        hub = self.namespace("hub")
        for part in ("hub", *self.hosts):
            ip("netns", "add", self.namespace(part))
        ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", hub, "link", "set", "bridge", "up")
        for host, address in self.hosts.items():
            own, port = self.namespace(host), f"port-{host}"
            peer = ("peer", "name", "eth0", "netns", own)
            ip("-n", hub, "link", "add", port, "type", "veth", *peer)
            ip("-n", hub, "link", "set", port, "master", "bridge", "up")
            ip("-n", own, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                ip("-n", own, "link", "set", device, "up")

    def end(self) -> None:
        """Remove all that was made."""
        for part in ("hub", *self.hosts):
            with contextlib.suppress(pytest.fail.Exception):
                ip("netns", "delete", self.namespace(part))

    def cut(self) -> None:
        """Lose every packet between the hosts."""
        ip("-n", self.namespace("hub"), "link", "set", "port-b", "nomaster")

    def heal(self) -> None:
        """Let packets through again."""
        ip("-n", self.namespace("hub"), "link", "set", "port-b", "master", "bridge")

    def lose(self, protocol: str) -> None:
        """Lose every packet of ``tcp`` or ``udp`` between the hosts, without a word."""
        for host in self.hosts:
            own = self.namespace(host)
            # Ours has to come before the rule that takes in what is for this host.
            ip("-n", own, "rule", "add", "pref", "100", "lookup", "local")
            ip("-n", own, "rule", "del", "pref", "0", "lookup", "local")
            ip("-n", own, "rule", "add", *self._loss(protocol))

    def find(self, protocol: str) -> None:
        """Let packets of the protocol through again."""
        for host in self.hosts:
            ip("-n", self.namespace(host), "rule", "del", *self._loss(protocol))

    @staticmethod
    def _loss(protocol: str) -> tuple[str, ...]:
        return ("pref", "1", "iif", "eth0", "ipproto", protocol, "blackhole")

    def deafen(self) -> None:
        """Lose every packet to host b; what it sends arrives."""
        hub = self.namespace("hub")
        # The bridge knows no address behind the port and may not try: nothing goes out there.
        for word in ("learning", "flood", "mcast_flood", "bcast_flood"):
            ip("-n", hub, "link", "set", "port-b", "type", "bridge_slave", word, "off")
        ip("-n", hub, "link", "set", "port-b", "type", "bridge_slave", "fdb_flush")


@contextlib.contextmanager
def two_hosts() -> Iterator[Network]:
    """The network until the block ends. Skips the test for a user who is not root."""
    with made(Network(f"proconsul-{os.getpid()}", HOSTS)) as network:
        yield network


@contextlib.contextmanager
def made(network: AnyNetwork) -> Iterator[AnyNetwork]:
    """A network until the block ends. Skips the test for a user who is not root."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        network.make()
        yield network
    finally:
        network.end()


def ip(*words: str) -> None:
    """Run ip(8); fails the test with what it said."""
    try:
        done = subprocess.run(
            ["ip", *words], capture_output=True, text=True, timeout=COMMAND_WAIT_S, check=False
        )
    except FileNotFoundError:
        pytest.fail("no ip command: install iproute2 (scripts/setup test does)")
    if done.returncode:
        pytest.fail(
            f"ip {' '.join(words)}: {done.stderr.strip()}; needs CAP_SYS_ADMIN and CAP_NET_ADMIN"
        )


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class HostedAgent(AgentProcess):
    """An agent on one of the hosts."""

    def __init__(self, network: Network, host: str, directory: Path, *arguments: str) -> None:
        directory.mkdir()
        self.socket_path = directory / "http"
        door = f'-hcl=addresses {{ http = "unix://{self.socket_path}" }}'
        dev = "-dev" in arguments
        own = [argument for argument in arguments if argument != "-dev"]
        super().__init__(directory, *own, f"-bind={network.hosts[host]}", door, dev=dev)
        inside = ("ip", "netns", "exec", network.namespace(host))
        self.program = (*inside, sys.executable, "-m", "agent.main", "agent")

    @override
    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        return UnixConnection(self.socket_path, timeout_s)
