"""What a proxy's configuration depends on, as questions with typed answers.

A build (agent.mesh.snapshot) asks; what it asked for is followed as long as it goes on asking, and
nothing else is (agent.mesh.watch). So a proxy costs what it talks to, however large the mesh is.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

from catalog.chain import CompiledChain, Overrides
from catalog.queries.service_config import ServiceConfig, Subject
from catalog.rows.check import CheckServiceNode
from catalog.rows.config_entry import ConfigEntry
from catalog.rows.connect import CARoots, IssuedCertificate
from catalog.rows.node import Coord
from catalog.rows.service import GatewayService

T = TypeVar("T")


class Question(msgspec.Struct, Generic[T], frozen=True):
    """Something that is followed; ``T`` is the type of its answer."""


class Roots(Question[CARoots], frozen=True):
    """The roots that the mesh trusts."""


class Revoked(Question[tuple[str, ...]], frozen=True):
    """The serials of leaves that are refused."""


class Leaf(Question[IssuedCertificate], frozen=True):
    """The certificate of a service of this host, with its key and further DNS names."""

    service: str
    dns_names: tuple[str, ...] = ()


class Chain(Question[CompiledChain], frozen=True):
    """The discovery chain of a service, as seen from a datacenter."""

    service: str
    datacenter: str
    overrides: Overrides = Overrides()


class Instances(Question[tuple[CheckServiceNode, ...]], frozen=True):
    """What serves a service with mutual TLS, in one datacenter."""

    service: str
    datacenter: str


class Members(Question[tuple[CheckServiceNode, ...]], frozen=True):
    """The instances of a service themselves, in this datacenter."""

    service: str


class Gateways(Question[tuple[CheckServiceNode, ...]], frozen=True):
    """The mesh gateways of a datacenter."""

    datacenter: str


class Datacenters(Question[tuple[str, ...]], frozen=True):
    """All datacenters known."""


class Queried(msgspec.Struct, frozen=True, kw_only=True):
    """What a prepared query found, and where."""

    service: str
    datacenter: str
    nodes: tuple[CheckServiceNode, ...]


class Query(Question[Queried], frozen=True):
    """What a prepared query finds; it is run again and again."""

    name: str
    datacenter: str = ""


class Entry(Question[tuple[ConfigEntry, ...]], frozen=True):
    """A config entry; none or one."""

    kind: str
    name: str


class Entries(Question[tuple[ConfigEntry, ...]], frozen=True):
    """All config entries of a kind."""

    kind: str


class Sidecars(Question[tuple[CheckServiceNode, ...]], frozen=True):
    """All sidecars of this datacenter; only a mesh gateway needs them."""


class Central(Question[ServiceConfig], frozen=True):
    """What config entries say of a registration, whose gaps it fills."""

    subject: Subject


class Linked(Question[tuple[GatewayService, ...]], frozen=True):
    """The services of a gateway."""

    gateway: str


class NodeCoordinate(Question[Coord], frozen=True):
    """The network coordinate of a node of this datacenter."""

    node: str


class TextFile(Question[str], frozen=True):
    """What is in a file of this host."""

    path: str


class KeySet(Question[str], frozen=True):
    """The keys of a token provider as JSON, from a URL."""

    uri: str
    cache_s: float = 600.0
    timeout_s: float = 10.0


class Answers:
    """What is known at one moment; it remembers what was asked, and what of that was missing."""

    def __init__(self, known: Callable[[Question[Any]], object | None]) -> None:
        self._known = known
        self.asked: set[Question[Any]] = set()
        self.missing: set[Question[Any]] = set()

    def ask(self, question: Question[T]) -> T | None:
        """The answer; None while it is not known."""
        self.asked.add(question)
        answer = self._known(question)
        if answer is None:
            self.missing.add(question)
        return cast("T | None", answer)
