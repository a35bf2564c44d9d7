"""A network of many hosts in which any direction between any two can be lost.

Each host drops, without a word, what comes from the hosts it is deaf to: a rule in its own network
namespace. Two hosts that are deaf to each other are cut; one-way losses make the asymmetric cuts
that real switches and firewalls are known for. Needs root and iproute2.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator

from typing_extensions import override

from tests.system.network import Network, ip, made

FIRST_HOST_NUMBER = 11


class Switch(Network):
    """The hosts by name; every direction works until it is lost."""

    def __init__(self, prefix: str, names: Iterable[str]) -> None:
        numbered = enumerate(names, start=FIRST_HOST_NUMBER)
        super().__init__(prefix, {name: f"10.214.0.{number}" for number, name in numbered})
        self._lost: set[tuple[str, str]] = set()

    @override
    def make(self) -> None:
        super().make()
        for host in self.hosts:
            own = self.namespace(host)
            # Ours have to come before the rule that takes in what is for this host.
            ip("-n", own, "rule", "add", "pref", "100", "lookup", "local")
            ip("-n", own, "rule", "del", "pref", "0", "lookup", "local")

    def lose_way(self, sender: str, receiver: str) -> None:
        """Lose every packet from one host to another; the way back works."""
        if (sender, receiver) not in self._lost:
            self._lost.add((sender, receiver))
            ip("-n", self.namespace(receiver), "rule", "add", *self._from(sender))

    def part(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Lose every packet between two groups."""
        others = list(others)
        for one in some:
            for other in others:
                self.lose_way(one, other)
                self.lose_way(other, one)

    def mend(self) -> None:
        """Let every packet through again."""
        while self._lost:
            sender, receiver = self._lost.pop()
            ip("-n", self.namespace(receiver), "rule", "del", *self._from(sender))

    def _from(self, sender: str) -> tuple[str, ...]:
        return ("pref", "1", "iif", "eth0", "from", self.hosts[sender], "blackhole")


@contextlib.contextmanager
def switched(names: Iterable[str]) -> Iterator[Switch]:
    """The network until the block ends. Skips the test for a user who is not root."""
    with made(Switch(f"proconsul-{os.getpid()}", names)) as switch:
        yield switch
