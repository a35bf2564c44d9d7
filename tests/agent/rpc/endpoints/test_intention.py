import asyncio

import pytest

from agent.rpc.endpoints.intention import (
    IntentionApply,
    IntentionCheck,
    IntentionExact,
    IntentionGet,
    IntentionList,
    IntentionMatch,
    check,
)
from catalog.commands import IntentionVerb
from catalog.errors import NotFound
from catalog.intentions import Decision, undecided
from catalog.read import Read
from catalog.rows.intention import Intention
from tests.agent.rpc.endpoints.server import make_server


def apply(source="a", destination="x", action="allow", verb=IntentionVerb.UPSERT):
    intention = Intention(source_name=source, destination_name=destination, action=action)
    return IntentionApply(verb=verb, intention=intention)


async def ask(mesh, request):
    return (await mesh.router.call(request)).value


async def test_new_intention_gets_an_id_and_a_time(mesh):
    made = await ask(mesh, apply(verb=IntentionVerb.CREATE_BY_ID))

    shown = await ask(mesh, IntentionGet(id=made))

    assert made == shown.id
    assert shown.created_at == "2027-01-15T08:00:00Z"


async def test_intentions_are_found_by_names_and_listed_by_precedence(mesh):
    await ask(mesh, apply("*"))
    await ask(mesh, apply("a", action="deny"))

    listed = await ask(mesh, IntentionList())

    assert [intention.source_name for intention in listed] == ["a", "*"]
    assert listed[0] == await ask(mesh, IntentionExact(source="a", destination="x"))
    with pytest.raises(NotFound):
        await ask(mesh, IntentionExact(source="b", destination="x"))


async def test_filter_sees_intentions(mesh):
    await ask(mesh, apply("a"))
    await ask(mesh, apply("b", action="deny"))

    listed = await ask(mesh, IntentionList(filter="Action == deny"))

    assert [intention.source_name for intention in listed] == ["b"]


async def test_first_match_decides_and_without_one_all_is_allowed(mesh):
    await ask(mesh, apply("a"))
    await ask(mesh, apply("*", action="deny"))

    decisions = [
        (await ask(mesh, IntentionCheck(source=source, destination=destination))).allowed
        for source, destination in (("a", "x"), ("b", "x"), ("b", "y"))
    ]

    assert decisions == [True, False, True]


def test_what_no_intention_decides_is_the_servers_to_say():
    server = make_server()
    server.undecided = undecided("deny", "")
    request = IntentionCheck(source="a", destination="x")

    decision = check(Read(server.store), request, server)

    assert Decision(False, "Default intention policy") == decision


async def test_match_waits_for_a_change(mesh):
    request = IntentionMatch(by="destination", names=("x", "default/y"))
    before = await mesh.router.call(request)
    waiting = IntentionMatch(by="destination", names=("x",), min_index=max(1, before.index))
    waiter = asyncio.ensure_future(mesh.router.call(waiting))
    await asyncio.sleep(0)

    await ask(mesh, apply())

    assert before.value == {"x": None, "default/y": None}
    assert [row.source_name for row in (await waiter).value["x"]] == ["a"]
