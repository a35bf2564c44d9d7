"""/v1/internal/mesh on a whole agent, with a worker of the test."""

import json
from collections.abc import AsyncIterator

import pytest

from agent.local.state import LocalService
from agent.mesh import view, workers
from agent.mesh.view import Wanted
from proxy.messages import Configure, Edge, EdgeCounts, Hello, Report, Tap, Tapped
from tests.agent.harness import House, request, until, within
from tests.agent.mesh.fake_worker import FakeWorker
from tests.agent.mesh.world import sidecar, upstream

EDGE = Edge(proxy="web-sidecar-proxy", direction="outbound", source="web", destination="db")


def no_process(*_arguments: object, **_options: object) -> None:
    raise OSError("no processes in this test")


@pytest.fixture
async def worker(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeWorker]:
    monkeypatch.setattr(workers, "start_worker", no_process)
    agent = house.agent
    await agent.server.authority.start("consul", {})
    agent.late_mesh.watch_for_proxies()
    agent.local_state.put_service(LocalService(service=sidecar("web", upstream("db"))))
    await until(lambda: agent.mesh is not None and bool(agent.mesh.feed.proxies))
    assert agent.mesh is not None
    # As one that a user started: the agent does not look after its process, which is this one.
    hello = Hello(version="1", pid=1, proxies=("web-sidecar-proxy",))
    worker = await FakeWorker.connect(agent.mesh.feed.path, hello)
    assert isinstance(await worker.hear(), Configure)
    yield worker
    await worker.close()
    await agent.mesh.close()


@pytest.mark.parametrize("what", ["edges", "proxies"])
async def test_agent_without_proxies_has_nothing_to_show(house: House, what: str) -> None:
    answer = await within(house.ask("GET", f"/v1/internal/mesh/{what}"))

    assert (200, []) == (answer.status, answer.json)


async def test_edges_are_shown_by_source(house: House, worker: FakeWorker) -> None:
    worker.say(Report(at_s=0.0, edges=(EdgeCounts(edge=EDGE, connections_open=2),)))
    mesh, path = house.agent.mesh, "/v1/internal/mesh/edges"
    assert mesh is not None
    await until(lambda: bool(mesh.view.edges(Wanted())))

    answer = await within(house.ask("GET", f"{path}?source=web"))

    assert ["db"] == [edge["Destination"] for edge in answer.json]
    assert [2] == [edge["ConnectionsOpen"] for edge in answer.json]
    assert [] == (await within(house.ask("GET", f"{path}?source=other"))).json


async def test_proxies_are_shown_with_where_they_listen(house: House, worker: FakeWorker) -> None:
    answer = await within(house.ask("GET", "/v1/internal/mesh/proxies"))

    (proxy,) = answer.json
    assert ("web-sidecar-proxy", "web", "connect-proxy") == (
        proxy["ID"],
        proxy["Service"],
        proxy["Kind"],
    )
    assert "127.0.0.1:9191" in [each["Address"] for each in proxy["Listeners"]]
    assert (1, True) == (proxy["Workers"], proxy["PendingS"] > 0)


async def test_tap_streams_lines_until_the_client_goes_away(
    house: House, worker: FakeWorker
) -> None:
    raw = await house.connect()
    target = "/v1/internal/mesh/tap?source=web&path=/x&method=get&status_min=500&share=50"
    await raw.send(request("GET", target))
    told = await worker.hear()
    assert isinstance(told, Tap)
    wanted = (told.source, told.path_prefix, told.method, told.status_min, told.share)
    assert ("web", "/x", "GET", 500, 50.0) == wanted

    worker.say(Tapped(tap=told.number, at_s=0.0, edge=EDGE, method="GET", path="/x", status=503))
    received = await within(raw.reader.readuntil(b"}\n"))

    assert received.startswith(b"HTTP/1.1 200")
    line = json.loads(received.splitlines()[-1])
    assert ("web", "/x", 503) == (line["Source"], line["Path"], line["Status"])
    raw.close()
    # A write that fails tells that the client is gone.
    for _ in range(5):
        worker.say(Tapped(tap=told.number, at_s=0.0, edge=EDGE))
    stopped = await worker.hear()
    assert isinstance(stopped, Tap)
    assert stopped.stop


async def test_tap_ends_with_its_client_though_nothing_passes(
    house: House, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "TAP_BLANK_S", 0.02)
    raw = await house.connect()
    await raw.send(request("GET", "/v1/internal/mesh/tap"))
    assert isinstance(await worker.hear(), Tap)

    raw.close()

    stopped = await worker.hear()
    assert isinstance(stopped, Tap)
    assert stopped.stop


async def test_tap_of_an_agent_without_proxies_is_not_found(house: House) -> None:
    answer = await within(house.ask("GET", "/v1/internal/mesh/tap"))

    assert (404, b"No proxy is registered at this agent") == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("share=x", b"Query parameter 'share' must be a number, not 'x'"),
        ("share=0", b"Query parameter 'share' must be above 0 and at most 100, in percent"),
        ("share=nan", b"Query parameter 'share' must be above 0 and at most 100, in percent"),
        ("status_min=1000", b"Query parameter 'status_min' must be a whole number from 0 to 999"),
        ("status_min=2.5", b"Query parameter 'status_min' must be a whole number from 0 to 999"),
    ],
)
async def test_bad_condition_is_named(house: House, query: str, text: bytes) -> None:
    answer = await within(house.ask("GET", f"/v1/internal/mesh/tap?{query}"))

    assert (400, text) == (answer.status, answer.body)
