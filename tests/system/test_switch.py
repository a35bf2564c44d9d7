"""The hosts of a switch: which directions work, and what an open connection feels of a loss."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.system.switch import Switch, switched

pytestmark = pytest.mark.system

PORT = 7000
# A datagram between two namespaces takes less than a millisecond; a process needs longer.
LISTEN_S = 0.5
SEND = "import socket, sys; socket.socket(2, 2).sendto(b'x', (sys.argv[1], int(sys.argv[2])))"
RECEIVE = """
import socket, sys
port = socket.socket(2, 2)
port.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    port.settimeout(float(sys.argv[3]))
    print(port.recvfrom(9)[1][0], flush=True)
"""


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with switched(["a", "b", "c"]) as made:
        yield made


@pytest.fixture(autouse=True)
def mended(switch: Switch) -> Iterator[None]:
    yield
    switch.mend()


def inside(switch: Switch, host: str, code: str, *words: str) -> list[str]:
    """The command that runs Python code on a host."""
    namespace = switch.namespace(host)
    return ["ip", "netns", "exec", namespace, sys.executable, "-c", code, *words]


def heard_by(switch: Switch, receiver: str) -> set[str]:
    """The hosts whose datagrams reach this one."""
    address = switch.hosts[receiver]
    command = inside(switch, receiver, RECEIVE, address, str(PORT), str(LISTEN_S))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for sender in switch.hosts:
            if sender != receiver:
                subprocess.run(inside(switch, sender, SEND, address, str(PORT)), check=True)
        addresses = set(process.stdout.read().split())
    return {name for name, own in switch.hosts.items() if own in addresses}


def test_all_hosts_hear_each_other(switch: Switch) -> None:
    assert heard_by(switch, "a") == {"b", "c"}


def test_a_lost_way_is_lost_in_one_direction(switch: Switch) -> None:
    switch.lose_way("a", "b")

    assert heard_by(switch, "b") == {"c"}
    assert heard_by(switch, "a") == {"b", "c"}


def test_parted_groups_hear_only_their_own(switch: Switch) -> None:
    switch.part(["a"], ["b", "c"])

    assert heard_by(switch, "a") == set()
    assert heard_by(switch, "b") == {"c"}


def test_a_mended_switch_loses_nothing(switch: Switch) -> None:
    switch.part(["a"], ["b", "c"])
    switch.mend()

    assert heard_by(switch, "b") == {"a", "c"}
