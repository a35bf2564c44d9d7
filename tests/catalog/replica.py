"""A state machine to drive by hand: commands in, results and effects out."""

from collections.abc import Callable, Hashable
from typing import Any

from catalog.apply import StateMachine
from catalog.commands import Command, KvOperation, KvVerb, Register, SessionCreate, encode
from catalog.errors import CatalogError
from catalog.read import Read
from catalog.rows.check import PASSING, HealthCheck
from catalog.rows.connect import CARoot
from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.rows.session import Session
from catalog.schema import Table
from catalog.store import Store
from catalog.tables import KV, SESSIONS
from catalog.writes.tx import Effect


class Replica:
    """Applies each command at the next log index."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.machine = StateMachine(self.effects.append)
        self.index = 0

    @property
    def store(self) -> Store:
        return self.machine.store

    def apply(self, command: Command) -> Any:
        """The result of a command; a refusal is returned, not raised."""
        self.index += 1
        return self.machine.apply(self.index, encode(command))

    def do(self, command: Command) -> Any:
        """The result of a command that must not be refused."""
        result = self.apply(command)
        if isinstance(result, CatalogError):
            raise result
        return result

    def read(self, query: Callable[..., Any], *arguments: object) -> tuple[Any, Read]:
        """A query's value and the read that says what it depends on."""
        read = Read(self.store)
        return query(read, *arguments), read

    # Commands.

    def put(self, key: str, value: bytes = b"v") -> int:
        """Set a key; the index that it was done at."""
        self.do(KvOperation(verb=KvVerb.SET, key=key, value=value))
        return self.index

    def kv(self, verb: str, key: str, **fields: Any) -> Any:
        return self.apply(KvOperation(verb=verb, key=key, **fields))

    def pair(self, key: str) -> KeyValue | None:
        return self.store.get(KV, key)

    def register(self, name: str, *checks: HealthCheck, **fields: Any) -> int:
        """Register a node with a service (``service=``) and checks; the index of it."""
        service = fields.pop("service", None)
        fields.setdefault("address", "10.0.0.1")
        self.do(Register(node=Node(node=name, **fields), service=service, checks=checks))
        return self.index

    def begin(self, session_id: str, node: str = "n", **fields: Any) -> int:
        """Create a session; the index of it."""
        self.do(SessionCreate(session=Session(id=session_id, node=node, **fields)))
        return self.index

    def sessions(self) -> list[str]:
        return [session.id for session in self.store.all(SESSIONS)]


def service(name: str, service_id: str = "", **fields: Any) -> NodeService:
    return NodeService(id=service_id or name, service=name, **fields)


def check(check_id: str, status: str = PASSING, **fields: Any) -> HealthCheck:
    return HealthCheck(check_id=check_id, name=check_id, status=status, **fields)


def root(root_id: str) -> CARoot:
    """An active root certificate."""
    return CARoot(
        id=root_id,
        name=root_id,
        serial_number=1,
        signing_key_id="k",
        external_trust_domain="d",
        not_before="2020-01-01T00:00:00Z",
        not_after="2030-01-01T00:00:00Z",
        root_cert="PEM",
        private_key_type="ec",
        private_key_bits=256,
        active=True,
    )


def contents(store: Store) -> tuple[dict[str, int], dict[str, dict[Hashable, Any]]]:
    """Everything a store holds, whatever order it was written in."""
    indexes, tables = store.freeze()
    return indexes, {table.name: keyed(table, rows) for table, rows in tables}


def keyed(table: Table[Any], rows: list[Any]) -> dict[Hashable, Any]:
    return {table.key(row): row for row in rows}


def snapshot(machine: StateMachine) -> bytes:
    return b"".join(machine.freeze()())
