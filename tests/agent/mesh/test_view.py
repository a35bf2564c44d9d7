import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.mesh.feed_server import TAPS_MAX, FeedServer
from agent.mesh.view import TAP_LINES_MAX, View, Wanted
from agent.tasks import Tasks
from agent.telemetry.metrics import Metrics
from proxy.api import (
    Cluster,
    Endpoint,
    EndpointGroup,
    FilterChain,
    Listener,
    ProxyConfig,
)
from proxy.messages import Edge, EdgeCounts, Instance, Report, Tap, Tapped
from tests.agent.mesh.fake_worker import HEAR_WAIT_S, FakeWorker
from tests.proxy.fakes import until

EDGE = Edge(
    proxy="web-proxy", direction="outbound", source="web", destination="api", protocol="http"
)
CONFIG = ProxyConfig(
    id="web-proxy",
    service="web",
    index=7,
    listeners=(
        Listener(
            name="api:127.0.0.1:9191",
            direction="outbound",
            address="127.0.0.1",
            port=9191,
            chains=(FilterChain(protocol="http"),),
        ),
    ),
    clusters={
        "api": Cluster(
            name="api",
            service="api",
            groups=(
                EndpointGroup(
                    target="api.default.dc1",
                    endpoints=(
                        Endpoint(id="n1/api", address="10.0.0.1", port=21000),
                        Endpoint(id="n2/api", address="10.0.0.2", port=21000),
                    ),
                ),
            ),
        )
    },
)


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[FeedServer]:
    tasks = Tasks()
    feed = FeedServer(tmp_path / "feed.sock", tasks)
    await feed.start()
    yield feed
    await feed.close()
    await tasks.close()


@pytest.fixture
def view(feed: FeedServer) -> View:
    feed.put(CONFIG)
    other = ProxyConfig(id="by-somebody-else", service="db")
    return View(feed, lambda: {"web-proxy": CONFIG, other.id: other}, lambda: 100.0)


@pytest.fixture
async def worker(feed: FeedServer, view: View) -> AsyncIterator[FakeWorker]:
    worker = await FakeWorker.connect(feed.path)
    await worker.configured()
    yield worker
    await worker.close()


def report(**counts: Any) -> Report:
    return Report(
        at_s=0.0,
        edges=(EdgeCounts(edge=EDGE, **counts),),
        instances=(Instance(proxy="web-proxy", cluster="api", endpoint="n1/api", ejected=True),),
        handshake_failures={"web-proxy": {"expired": 1}},
        resident_bytes=5000,
        loop_lag_ms=1.5,
    )


def tapped(tap: int, path: str = "/x") -> Tapped:
    return Tapped(tap=tap, at_s=0.5, edge=EDGE, method="GET", path=path, status=200)


async def lines(stream: AsyncIterator[bytes]) -> list[dict[str, Any]]:
    """What a tap shows next, without blank lines."""
    async with asyncio.timeout(HEAR_WAIT_S):
        async for chunk in stream:
            if chunk.strip():
                return [json.loads(line) for line in chunk.splitlines()]
    raise AssertionError("the tap ended")


async def test_edges_have_rates_and_totals(view: View, worker: FakeWorker) -> None:
    worker.say(report(requests=10, classes={"2xx": 8, "5xx": 2}, connections_open=3))

    await until(lambda: bool(view.edges(Wanted())))

    (seen,) = view.edges(Wanted())
    assert ("web", "api", 10.0, 0.2, 3) == (
        seen.source,
        seen.destination,
        seen.requests_per_second,
        seen.failed_share,
        seen.connections_open,
    )
    assert {"2xx": 8, "5xx": 2} == seen.totals.classes


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(source="web"), 1),
        (Wanted(source="other"), 0),
        (Wanted(destination="api", proxy="web-proxy"), 1),
        (Wanted(destination="api", proxy="other"), 0),
    ],
)
async def test_edges_are_those_asked_for(
    view: View, worker: FakeWorker, wanted: Wanted, count: int
) -> None:
    worker.say(report(requests=1))
    await until(lambda: bool(view.edges(Wanted())))

    assert count == len(view.edges(wanted))


async def test_services_are_seen_from_the_source_or_else_from_the_destination(
    view: View, worker: FakeWorker
) -> None:
    inbound = EdgeCounts(edge=replace(EDGE, direction="inbound"), requests=3)
    worker.say(Report(at_s=0.0, edges=(inbound,)))
    await until(lambda: bool(view.edges(Wanted())))
    first = view.between("web", "api")
    worker.say(report(requests=5))
    await until(lambda: len(view.edges(Wanted())) == 2)
    second = view.between("web", "api")

    assert first is not None
    assert second is not None
    assert (("inbound", 3.0), ("outbound", 5.0)) == (
        (first.edge.direction, first.requests_per_s),
        (second.edge.direction, second.requests_per_s),
    )
    assert view.between("api", "web") is None


async def test_proxies_tell_how_they_are_served(view: View, worker: FakeWorker) -> None:
    worker.say(report(requests=1))
    await until(lambda: bool(view.edges(Wanted())))
    await until(lambda: view.proxies()[1].pending_s == 0.0)

    other, served = view.proxies()

    assert ("by-somebody-else", 0, 0) == (other.id, other.version, other.workers)
    assert ("web-proxy", "web", 7, 1) == (served.id, served.service, served.index, served.workers)
    assert ["127.0.0.1:9191"] == [each.address for each in served.listeners]
    assert [("n1/api", "10.0.0.1:21000", True), ("n2/api", "10.0.0.2:21000", False)] == [
        (each.endpoint, each.address, each.ejected) for each in served.instances
    ]
    assert {"expired": 1} == served.handshake_failures


async def test_lost_worker_has_nothing_open(view: View, worker: FakeWorker) -> None:
    worker.say(report(connections_open=3))
    await until(lambda: bool(view.edges(Wanted())))

    await worker.close()

    await until(lambda: view.edges(Wanted())[0].connections_open == 0)
    assert not any(each.ejected for each in view.proxies()[1].instances)


async def test_tap_shows_requests_as_they_come(view: View, worker: FakeWorker) -> None:
    stream = view.tap(Tap(number=0, source="web", path_prefix="/x"))
    assert b"\n" == await anext(stream)
    told = await worker.hear()
    assert isinstance(told, Tap)
    assert ("web", "/x") == (told.source, told.path_prefix)

    worker.say(tapped(told.number))

    (line,) = await lines(stream)
    assert ("web", "GET", "/x", 200, "1970-01-01T00:00:00.500Z") == (
        line["Source"],
        line["Method"],
        line["Path"],
        line["Status"],
        line["At"],
    )
    await stream.aclose()
    stopped = await worker.hear()
    assert isinstance(stopped, Tap)
    assert (told.number, True) == (stopped.number, stopped.stop)


async def test_tap_that_nobody_reads_drops_and_says_so(view: View, worker: FakeWorker) -> None:
    stream = view.tap(Tap(number=0))
    await anext(stream)
    told = await worker.hear()
    assert isinstance(told, Tap)

    for _ in range(TAP_LINES_MAX + 5):
        worker.say(tapped(told.number))
    worker.say(report(requests=1))
    await until(lambda: bool(view.edges(Wanted())))

    shown = await lines(stream)
    assert TAP_LINES_MAX + 1 == len(shown)
    assert {"Dropped": 5} == shown[-1]
    await stream.aclose()


async def test_taps_are_limited(view: View) -> None:
    streams = [view.tap(Tap(number=0)) for _ in range(TAPS_MAX)]
    for stream in streams:
        await anext(stream)
    assert not view.has_room

    for stream in streams:
        await stream.aclose()

    assert view.has_room


async def test_metrics_tell_of_proxies_and_workers(
    view: View, worker: FakeWorker, feed: FeedServer
) -> None:
    metrics = Metrics(now_s=0.0)
    worker.say(report(requests=1, classes={"2xx": 1}))
    await until(lambda: bool(view.edges(Wanted())))

    view.collect(metrics)

    gauges = {(each.metric.name, each.labels): each.gauge for each in metrics.collect()}
    assert 1 == gauges["consul.mesh.proxy.workers", ("web-proxy",)]
    assert 0 == gauges["consul.mesh.proxy.faults", ("web-proxy",)]
    assert 5000 == gauges["consul.mesh.worker.resident_bytes", ("0",)]
    assert ("consul.mesh.requests", ("web", "api", "", "outbound", "2xx")) in gauges

    feed.remove("web-proxy")
    view.collect(metrics)

    assert not any(each.labels == ("web-proxy",) for each in metrics.collect())


async def test_waiting_configuration_is_told(view: View, feed: FeedServer) -> None:
    metrics = Metrics(now_s=0.0)
    await until(lambda: feed.proxies["web-proxy"].pending_s > 0.001)

    view.collect(metrics)

    (pending,) = (
        each
        for each in metrics.collect()
        if each.metric.name == "consul.mesh.proxy.config_pending_s"
    )
    assert pending.gauge is not None
    assert pending.gauge > 0
