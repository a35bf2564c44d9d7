"""What faults of servers act on, and what a fault is.

A fault picks its victims when it begins. What the product promises under it, beside the promises of
the load, is checked when it ends.
"""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.system.sabotage import Sabotage, SmallDisk
from tests.system.servers import Servers
from tests.system.switch import Switch


@dataclass
class Stage:
    """What faults act on. ``sabotage`` and ``disks`` by server; a server may be without."""

    servers: Servers
    switch: Switch
    sabotage: dict[str, Sabotage]
    disks: dict[str, SmallDisk]
    rng: Random


class Fault(Protocol):
    """One kind of trouble."""

    name: str
    lasts_s: float

    def begin(self, stage: Stage) -> str:
        """Make the trouble; the victims, for the table."""

    def end(self, stage: Stage) -> None:
        """Undo it, and raise Broken for what did not happen meanwhile."""
