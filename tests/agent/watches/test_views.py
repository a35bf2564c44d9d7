"""What watches see: each different view once, in the API's JSON."""

import asyncio
import json

from agent.membership.events import EventRing, UserEvent, index_of
from agent.rpc.endpoints.catalog import ListServices
from agent.rpc.endpoints.health import HealthServiceNodes
from agent.rpc.endpoints.kv import KvGet, KvList
from agent.rpc.request import ReadRequest, Reply
from agent.watches.definition import Query
from agent.watches.views import event_views, query_views
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.kv import KeyValue
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from tests.agent.local.fakes import Half

FIRST_ID = "b54fe110-7af5-cafc-d1fb-afc8ba432b1c"
SECOND_ID = "b54fe110-7af5-cafc-d1fb-afc8ba432b1d"


class Script:
    """Answers with the given values, one index after the other, and then never."""

    def __init__(self, *values: object) -> None:
        self._values = list(values)
        self.asked: list[ReadRequest] = []

    async def call(self, request: ReadRequest) -> Reply:
        self.asked.append(request)
        if not self._values:
            await asyncio.Event().wait()
        return Reply(value=self._values.pop(0), index=len(self.asked))


async def first(query: Query, value: object) -> object:
    view = await anext(query_views(query, Script(value), Half()))
    assert view.body.endswith(b"\n")
    return json.loads(view.body)


async def test_a_view_that_is_the_same_is_seen_once():
    router = Script({"a": ()}, {"a": ()}, {"b": ()})
    views = query_views(Query(request=ListServices()), router, Half())

    assert [(await anext(views)).index, (await anext(views)).index] == [1, 3]
    assert [request.min_index for request in router.asked] == [0, 1, 2]


async def test_a_pair_always_shows_its_session():
    pair = KeyValue(key="a", value=b"x", create_index=1, modify_index=2)

    assert await first(Query(request=KvGet(key="a")), pair) == {
        "Key": "a",
        "CreateIndex": 1,
        "ModifyIndex": 2,
        "LockIndex": 0,
        "Flags": 0,
        "Value": "eA==",
        "Session": "",
    }


async def test_absent_keys_are_null():
    assert await first(Query(request=KvGet(key="a")), None) is None
    assert await first(Query(request=KvList(prefix="a")), []) is None


async def test_passing_only_leaves_out_failing_instances():
    rows = [
        CheckServiceNode(
            node=Node(node="n"),
            service=NodeService(id=status, service="web"),
            checks=(HealthCheck(check_id="c", status=status),),
        )
        for status in ("passing", "critical")
    ]
    query = Query(request=HealthServiceNodes(service="web"), passing_only=True)

    shown = await first(query, rows)

    assert [row["Service"]["ID"] for row in shown] == ["passing"]


async def test_events_are_shown_once_from_those_known_at_first():
    ring = EventRing()
    views = event_views("deploy", ring)
    empty = await anext(views)
    ring.receive(UserEvent(id=FIRST_ID, name="deploy", payload=b"x"))
    one = await anext(views)
    waiting = asyncio.ensure_future(anext(views))
    await asyncio.sleep(0)
    ring.receive(UserEvent(id="0" * 36, name="other"))
    await asyncio.sleep(0)
    ring.receive(UserEvent(id=SECOND_ID, name="deploy"))
    two = await waiting

    assert (empty.index, json.loads(empty.body)) == (1, [])
    assert (one.index, [event["ID"] for event in json.loads(one.body)]) == (
        index_of(FIRST_ID),
        [FIRST_ID],
    )
    assert [event["ID"] for event in json.loads(two.body)] == [SECOND_ID]
