"""A catalog of dictionaries, and a running front door over it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import pytest

from agent.dns.directory import AddressOwner, Found, NoLeader, QueryAnswer, UnknownDatacenter
from agent.dns.server import DnsServer
from agent.dns.settings import DnsSettings
from agent.tasks import Tasks
from catalog.rows.check import CRITICAL, CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService

UNIX_S = 1_700_000_000


class FakeDirectory:
    """The Directory of the tests: rows in lists, watchers in a set, reads counted."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.instances: list[CheckServiceNode] = []
        self.queries: dict[str, QueryAnswer] = {}
        self.datacenters = {"dc1"}
        self.has_leader = True
        self.is_watched = True
        self.is_current = True
        self.read_count = 0
        self.sources: list[str] = []
        self.watchers: set[Callable[[], None]] = set()

    def add_node(self, name: str, address: str, **fields: Any) -> Node:
        node = Node(node=name, address=address, datacenter="dc1", **fields)
        self.nodes[name.lower()] = node
        return node

    def add(self, node: Node, service: str, status: str | None = None, **fields: Any) -> None:
        checks = () if status is None else (HealthCheck(node=node.node, status=status),)
        identity = fields.pop("id", f"{service}-{len(self.instances)}")
        row = NodeService(id=identity, service=service, **fields)
        self.instances.append(CheckServiceNode(node=node, service=row, checks=checks))

    def changed(self) -> None:
        watchers, self.watchers = self.watchers, set()
        for watcher in watchers:
            watcher()

    def _found(self, value: Any, datacenter: str = "dc1") -> Found[Any]:
        self.read_count += 1
        if not self.has_leader:
            raise NoLeader
        if datacenter not in self.datacenters:
            raise UnknownDatacenter
        return Found(value, self._subscribe if self.is_watched else None)

    def _subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.watchers.add(callback)
        return lambda: self.watchers.discard(callback)

    async def service_nodes(
        self, name: str, tags: tuple[str, ...], kind: str, datacenter: str
    ) -> Found[tuple[CheckServiceNode, ...]]:
        def is_meant(row: CheckServiceNode) -> bool:
            service = row.service
            if kind == "connect":
                own = service.connect.native and service.service
                return name in {own, service.proxy.destination_service_name}
            if kind == "ingress":
                return service.kind == "ingress-gateway"
            carried = {tag.lower() for tag in service.tags or ()}
            return service.service.lower() == name and carried.issuperset(tags)

        return self._found(tuple(filter(is_meant, self.instances)), datacenter)

    async def node(self, name: str, datacenter: str) -> Found[Node | None]:
        return self._found(self.nodes.get(name), datacenter)

    async def by_address(self, address: str) -> Found[AddressOwner | None]:
        for node in self.nodes.values():
            if node.address == address:
                return self._found(AddressOwner("node", node.node, "dc1"))
        for row in self.instances:
            if row.service.address == address:
                return self._found(AddressOwner("service", row.service.service, "dc1"))
        return self._found(None)

    async def query(
        self, name_or_id: str, datacenter: str, source_address: str, limit: int
    ) -> Found[QueryAnswer | None]:
        self.sources.append(source_address)
        return self._found(self.queries.get(name_or_id), datacenter)

    async def servers(self, datacenter: str) -> Found[tuple[CheckServiceNode, ...]]:
        rows = tuple(row for row in self.instances if row.service.service == "consul")
        return self._found(rows, datacenter)


class Client:
    """Asks the front door with dnspython, the oracle of the format."""

    def __init__(self, server: DnsServer, directory: FakeDirectory) -> None:
        self.server = server
        self.directory = directory
        [(self.host, self.port)] = server.addresses

    async def ask(
        self, name: str, kind: str, *, tcp: bool = False, edns: int | None = None, **fields: Any
    ) -> dns.message.Message:
        options = fields.pop("options", [])
        query = dns.message.make_query(name, kind, use_edns=False, **fields)
        if edns is not None:
            query.use_edns(0, payload=edns, options=options)
        return await self.send(query, tcp=tcp)

    async def send(self, query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
        exchange = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await exchange(query, self.host, port=self.port, timeout=5, one_rr_per_rrset=True)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Let the loop run until a condition of the server's inner state holds."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def directory() -> FakeDirectory:
    """The catalog of the captured answers: one agent, one service, one of each trouble."""
    made = FakeDirectory()
    devn = made.add_node("devn", "127.0.0.1", meta={"consul-network-segment": ""})
    made.add(devn, "consul", id="consul", port=8300)
    made.add(devn, "web", id="web", port=80, tags=("a", "b"))
    made.add(devn, "own", id="own", port=81, address="10.0.0.1")
    made.add(devn, "sick", CRITICAL, id="sick", port=82)
    web = tuple(row for row in made.instances if row.service.service == "web")
    made.queries["q1"] = QueryAnswer(service="web", datacenter="dc1", nodes=web)
    return made


@pytest.fixture
async def serve(directory: FakeDirectory) -> AsyncIterator[Callable[..., Any]]:
    """Start front doors over the directory, by settings."""
    tasks = Tasks()
    servers: list[DnsServer] = []

    async def start(settings: DnsSettings | None = None) -> Client:
        server = DnsServer(
            directory,
            settings or DnsSettings(node_name="devn"),
            tasks=tasks,
            rng=Random(7),
            wall_s=lambda: UNIX_S,
        )
        await server.start("127.0.0.1", 0)
        servers.append(server)
        return Client(server, directory)

    yield start
    for server in servers:
        await server.close()
    await tasks.close()


@pytest.fixture
async def client(serve: Callable[..., Any]) -> Client:
    """A client of a front door with default settings."""
    made: Client = await serve()
    return made
