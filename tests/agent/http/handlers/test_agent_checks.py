"""/v1/agent/check*. Answers recorded from Consul 1.9.8."""

import pytest

from agent.http.call import HttpError
from agent.http.handlers import agent_checks as handlers
from tests.agent.http.handlers.agent_call import make_call
from tests.agent.local.fakes import Local, make_local


@pytest.fixture
def local() -> Local:
    return make_local()


async def refusal(work) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        await work
    return caught.value.status, caught.value.text


async def register(local: Local, body: str) -> None:
    assert (await handlers.register(make_call(local, body=body))).status == 200


async def test_a_check_is_shown_with_every_field(local):
    await register(local, '{"Name":"c","TTL":"60s","Notes":"some notes"}')

    answer = await handlers.checks(make_call(local, query="filter=CheckID==%22c%22"))

    assert answer.json == {
        "c": {
            "Node": "n1",
            "CheckID": "c",
            "Name": "c",
            "Status": "critical",
            "Notes": "some notes",
            "Output": "",
            "ServiceID": "",
            "ServiceName": "",
            "ServiceTags": [],
            "Type": "ttl",
            "Definition": {},
            "CreateIndex": 0,
            "ModifyIndex": 0,
        }
    }


async def test_a_wrong_filter_is_refused_only_where_there_is_a_check(local):
    call = make_call(local, query="filter=Bogus==7")
    assert (await handlers.checks(call)).json == {}

    await register(local, '{"Name":"c","TTL":"60s"}')
    assert await refusal(handlers.checks(call)) == (500, 'Selector "Bogus" is not valid')


async def test_the_three_verbs_set_status_and_note(local):
    await register(local, '{"Name":"c","TTL":"60s"}')

    for handler, status in (
        (handlers.passing, "passing"),
        (handlers.warning, "warning"),
        (handlers.failing, "critical"),
    ):
        await handler(make_call(local, id="c", query="note=all+good"))
        assert (local.check("c").status, local.check("c").output) == (status, "all good")
        await handler(make_call(local, id="c"))
        assert local.check("c").output == ""


async def test_an_update_sets_status_and_output(local):
    await register(local, '{"Name":"c","TTL":"60s"}')

    body = '{"Status":"warning","Output":"by update"}'
    await handlers.update(make_call(local, id="c", body=body))

    assert (local.check("c").status, local.check("c").output) == ("warning", "by update")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"Status":"fine"}', "Invalid check status: 'fine'"),
        ("{}", "Invalid check status: ''"),
    ],
)
async def test_an_unknown_status_is_refused(local, body, text):
    call = make_call(local, id="c", body=body)

    assert await refusal(handlers.update(call)) == (400, text)


@pytest.mark.parametrize("check_id", ["", "none"])
async def test_a_check_without_ttl_cannot_be_set(local, check_id):
    text = f'CheckID "{check_id}" does not have associated TTL'

    for handler in (handlers.passing, handlers.warning, handlers.failing):
        assert await refusal(handler(make_call(local, id=check_id))) == (500, text)
    call = make_call(local, id=check_id, body='{"Status":"passing"}')
    assert await refusal(handlers.update(call)) == (500, text)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ('{"TTL":"1s"}', 400, "Missing check name"),
        ('{"Name":"c","TTL":"1s","Status":"fine"}', 400, "Bad check status"),
        ('{"Name":"c","TTL":"1s","ServiceID":"x"}', 500, 'ServiceID "x" does not exist'),
        ("{bad", 400, "Request decode failed: invalid character 'b' looking for beginning of "
         "object key string"),
    ],
)  # fmt: skip
async def test_registrations_are_refused_with_status_and_text(local, body, status, text):
    assert await refusal(handlers.register(make_call(local, body=body))) == (status, text)


async def test_deregistering_is_idempotent_but_needs_an_id(local):
    await register(local, '{"Name":"c","TTL":"60s"}')
    for _ in range(2):
        assert (await handlers.deregister(make_call(local, id="c"))).status == 200

    assert dict(local.state.checks) == {}
    assert await refusal(handlers.deregister(make_call(local, id=""))) == (500, "CheckID missing")


async def test_the_node_goes_into_maintenance_and_back(local):
    await handlers.maintenance(make_call(local, query="enable=true&reason=why"))
    assert local.check("_node_maintenance").notes == "why"

    await handlers.maintenance(make_call(local, query="enable=false"))
    assert dict(local.state.checks) == {}


async def test_maintenance_needs_a_truth_value(local):
    assert await refusal(handlers.maintenance(make_call(local))) == (
        400,
        "Missing value for enable",
    )
    assert await refusal(handlers.maintenance(make_call(local, query="enable=banana"))) == (
        400,
        'Invalid value for enable: "banana"',
    )
