"""Where each question is answered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.connect.leaf import Served
from agent.mesh import watch_sources
from agent.mesh.watch_questions import (
    Central,
    Chain,
    Datacenters,
    Entries,
    Entry,
    Gateways,
    Instances,
    KeySet,
    Leaf,
    Linked,
    Members,
    NodeCoordinate,
    Queried,
    Query,
    Question,
    Revoked,
    Roots,
    Sidecars,
    TextFile,
)
from agent.mesh.watch_sources import Sources
from agent.rpc.endpoints.catalog import GatewayServices
from agent.rpc.endpoints.chain import ChainGet
from agent.rpc.endpoints.config_entry import ConfigGet, ConfigList
from agent.rpc.endpoints.connect import CARevocationsGet, CARootsGet
from agent.rpc.endpoints.coordinate import CoordinateNode
from agent.rpc.endpoints.health import HealthServiceNodes, Lookup
from agent.rpc.endpoints.internal import ServiceDump
from agent.rpc.endpoints.query import QueryExecute, QueryOutcome
from agent.rpc.endpoints.server_state import ListDatacenters
from agent.rpc.endpoints.service_config import ServiceConfigGet
from agent.rpc.request import ReadRequest, Reply, Request
from catalog.chain import Overrides
from catalog.queries.service_config import Subject
from catalog.rows.config_entry import ServiceDefaults
from catalog.rows.connect import CARevocation
from catalog.rows.node import Coord, Coordinate
from catalog.rows.query import QueryDNS
from tests.agent.mesh.world import instance, leaf

READS: list[tuple[Question[Any], ReadRequest]] = [
    (Roots(), CARootsGet()),
    (Revoked(), CARevocationsGet()),
    (
        Chain("db", "dc2", Overrides(protocol="http")),
        ChainGet(service="db", evaluate_in="dc2", overrides=Overrides(protocol="http")),
    ),
    (
        Instances("db", "dc2"),
        HealthServiceNodes(service="db", lookup=Lookup.CONNECT, datacenter="dc2"),
    ),
    (Members("db"), HealthServiceNodes(service="db")),
    (Gateways("dc2"), ServiceDump(kind="mesh-gateway", datacenter="dc2")),
    (Sidecars(), ServiceDump(kind="connect-proxy")),
    (Central(Subject("web", ("db",))), ServiceConfigGet(subject=Subject("web", ("db",)))),
    (Linked("gate"), GatewayServices(gateway="gate")),
    (Entry("mesh", "mesh"), ConfigGet(kind="mesh", name="mesh")),
    (Entries("service-resolver"), ConfigList(kind="service-resolver")),
    (Query("near", "dc2"), QueryExecute(name_or_id="near", connect=True, datacenter="dc2")),
    (NodeCoordinate("n1"), CoordinateNode(node="n1")),
    (Datacenters(), ListDatacenters()),
]


class FakeRouter:
    """Answers each request with what the test set."""

    def __init__(self, value: object = ()) -> None:
        self.value = value
        self.requests: list[Request] = []

    async def call(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(value=self.value, index=42)


class FakeLeaves:
    """One certificate."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def get(self, *asked: object) -> Served:
        self.asked.append(asked)
        return Served(leaf("web"), hit=True)


async def no_text(url: str, _timeout_s: float) -> str:
    return f"keys at {url}"


def sources(router: FakeRouter, leaves: FakeLeaves | None = None) -> Sources:
    return Sources(router, lambda: leaves or FakeLeaves(), no_text)  # type: ignore[arg-type, return-value] # the one method used


@pytest.mark.parametrize(("question", "request_"), READS)
async def test_each_question_is_a_read_on_behalf_of_its_token(
    question: Question[Any], request_: ReadRequest
) -> None:
    router = FakeRouter()
    if isinstance(question, Query):
        router.value = QueryOutcome(service="db", nodes=(), dns=QueryDNS(), datacenter="dc2")

    await sources(router).ask(question, "secret", 0)

    (asked,) = router.requests
    assert isinstance(asked, type(request_))
    assert "secret" == asked.token
    assert request_ == type(request_)(
        **{name: getattr(asked, name) for name in asked.__struct_fields__ if name != "token"}
    )


async def test_a_blocking_read_waits_for_news_since_its_index() -> None:
    router = FakeRouter([instance("db")])

    reply = await sources(router).ask(Instances("db", "dc1"), "", 41)

    (asked,) = router.requests
    assert isinstance(asked, ReadRequest)
    assert 41 == asked.min_index
    assert ((instance("db"),), 42) == (reply.value, reply.index)


async def test_what_has_no_index_is_asked_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def sleep(pause_s: float) -> None:
        slept.append(pause_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    router = FakeRouter(())

    await sources(router).ask(Datacenters(), "", 1)

    assert [watch_sources.DATACENTERS_INTERVAL_S] == slept
    (asked,) = router.requests
    assert isinstance(asked, ReadRequest)
    assert 0 == asked.min_index


async def test_an_entry_that_is_not_there_is_an_empty_answer() -> None:
    entry = ServiceDefaults(name="web")

    none = await sources(FakeRouter(None)).ask(Entry("service-defaults", "web"), "", 0)
    one = await sources(FakeRouter(entry)).ask(Entry("service-defaults", "web"), "", 0)

    assert ((), (entry,)) == (none.value, one.value)


async def test_revocations_are_told_by_serial() -> None:
    rows = (CARevocation(serial="0a:1b", revoked_at_s=0, expires_at_s=1),)

    assert ("0a:1b",) == (await sources(FakeRouter(rows)).ask(Revoked(), "", 0)).value


async def test_a_query_tells_what_it_found_and_where() -> None:
    rows = (instance("db"),)
    outcome = QueryOutcome(service="db", nodes=rows, dns=QueryDNS(), datacenter="dc2")

    found = await sources(FakeRouter(outcome)).ask(Query("near"), "", 0)

    assert Queried(service="db", datacenter="dc2", nodes=rows) == found.value


async def test_a_node_has_the_first_of_its_coordinates_or_none() -> None:
    rows = [Coordinate(node="n1", coord=Coord())]

    known = await sources(FakeRouter(rows)).ask(NodeCoordinate("n1"), "", 0)
    unknown = await sources(FakeRouter([])).ask(NodeCoordinate("n1"), "", 0)

    assert (Coord(), None) == (known.value, unknown.value)


async def test_certificates_are_this_agents() -> None:
    leaves = FakeLeaves()

    reply = await sources(FakeRouter(), leaves).ask(Leaf("web", ("a.example",)), "secret", 7)

    assert leaf("web") == reply.value
    assert [("web", "secret", 7, watch_sources.LEAF_WAIT_S, ("a.example",))] == leaves.asked


async def test_keys_are_read_from_a_file_or_fetched(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("keys in a file")

    in_file = await sources(FakeRouter()).ask(TextFile(str(file)), "", 0)
    remote = await sources(FakeRouter()).ask(KeySet("http://x"), "", 0)

    assert ("keys in a file", "keys at http://x") == (in_file.value, remote.value)


async def test_a_question_that_nobody_answers_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        await sources(FakeRouter()).ask(Question(), "", 0)
