"""/v1/agent/service*. Answers recorded from Consul 1.9.8."""

import asyncio

import pytest

from agent.http.call import NOTHING, HttpError
from agent.http.handlers import agent_services as handlers
from agent.tasks import Tasks
from tests.agent.http.handlers.agent_call import make_call
from tests.agent.local.fakes import Local, make_local


@pytest.fixture
def local() -> Local:
    return make_local()


async def refusal(work) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        await work
    return caught.value.status, caught.value.text


async def register(local: Local, body: str, **options) -> None:
    answer = await handlers.register(make_call(local, body=body, **options))
    assert (answer.status, answer.json) == (200, NOTHING)


async def test_services_are_shown_by_id_and_filtered(local):
    await register(local, '{"ID":"b","Name":"web"}')
    await register(local, '{"ID":"a","Name":"web","Port":7}')

    everything = await handlers.services(make_call(local))
    some = await handlers.services(make_call(local, query="filter=Port==7"))
    none = await handlers.services(make_call(local, query="filter=ID==x"))

    assert list(everything.json) == ["a", "b"]
    assert list(some.json) == ["a"]
    assert none.json == {}


async def test_a_wrong_filter_is_refused_with_its_prefix(local):
    assert await refusal(handlers.services(make_call(local, query="filter=Bogus==7"))) == (
        500,
        'Failed to create boolean expression evaluator: Selector "Bogus" is not valid',
    )


async def test_a_proxys_fields_can_be_filtered_by(local):
    await register(
        local,
        '{"Kind":"connect-proxy","Name":"p","Port":1,"Proxy":{"DestinationServiceName":"web"}}',
    )
    await register(local, '{"Name":"web"}')
    query = "filter=Proxy.DestinationServiceName==web"

    answer = await handlers.services(make_call(local, query=query))

    assert list(answer.json) == ["p"]


async def test_a_service_is_shown_with_its_hash_in_body_and_header(local):
    await register(local, '{"Name":"a"}')

    answer = await handlers.service(make_call(local, id="a"))

    assert answer.json["ContentHash"] == answer.headers["X-Consul-ContentHash"]


@pytest.mark.parametrize("service_id", ["", "none"])
async def test_an_unknown_service_is_not_found(local, service_id):
    assert await refusal(handlers.service(make_call(local, id=service_id))) == (
        404,
        f"unknown service ID: {service_id}",
    )


async def test_a_known_hash_waits_for_a_change(local):
    tasks = Tasks()
    await register(local, '{"Name":"a","Port":4}')
    known = (await handlers.service(make_call(local, id="a"))).json["ContentHash"]

    timed_out = await handlers.service(make_call(local, id="a", query=f"hash={known}&wait=1ms"))
    other = await handlers.service(make_call(local, id="a", query="hash=other&wait=1s"))
    waiting = tasks.start(
        "wait", handlers.service(make_call(local, id="a", query=f"hash={known}&wait=10s"))
    )
    await asyncio.sleep(0)
    await register(local, '{"Name":"a","Port":5}')

    assert timed_out.json["ContentHash"] == other.json["ContentHash"] == known
    assert (await waiting).json["Port"] == 5


async def test_a_wait_that_is_no_duration_is_refused(local):
    call = make_call(local, id="a", query="hash=x&wait=soon")

    assert await refusal(handlers.service(call)) == (400, "Invalid wait time")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("{}", 400, "Missing service name"),
        ('{"Name":"x","Address":"::"}', 400, "Invalid service address"),
        (
            '{"Name":"x","Check":{"Args":["true"],"Interval":"10s"}}',
            500,
            "Scripts are disabled on this agent from remote calls; to enable, configure "
            "'enable_script_checks' to true",
        ),
    ],
)
async def test_registrations_are_refused_with_status_and_text(local, body, status, text):
    assert await refusal(handlers.register(make_call(local, body=body))) == (status, text)


async def test_a_disk_that_is_full_is_reported(tmp_path):
    (tmp_path / "services").write_text("in the way")
    call = make_call(make_local(data_dir=tmp_path), body='{"Name":"a"}')

    status, text = await refusal(handlers.register(call))

    assert status == 500
    assert text.startswith("failed writing the registration: ")


@pytest.mark.parametrize(
    ("query", "is_replaced"),
    [
        ("", False),
        ("replace-existing-checks", True),
        ("replace-existing-checks=true", True),
        ("replace-existing-checks=false", False),
    ],
)
async def test_existing_checks_are_replaced_on_demand(local, query, is_replaced):
    await register(local, '{"Name":"a","Check":{"TTL":"1s"}}')
    await register(local, '{"Name":"a"}', query=query)

    assert (len(local.state.checks) == 0) is is_replaced


async def test_deregistering_is_idempotent_but_needs_an_id(local):
    await register(local, '{"Name":"a"}')
    for _ in range(2):
        assert (await handlers.deregister(make_call(local, id="a"))).status == 200

    assert await refusal(handlers.deregister(make_call(local, id=""))) == (
        500,
        "ServiceID missing",
    )


@pytest.mark.parametrize(
    ("service_id", "query", "status", "text"),
    [
        ("", "enable=true", 400, "Missing service ID"),
        ("a", "", 400, "Missing value for enable"),
        ("a", "enable=banana", 400, 'Invalid value for enable: "banana"'),
        ("none", "enable=true", 404, 'No service registered with ID "none"'),
    ],
)
async def test_maintenance_is_refused_with_status_and_text(local, service_id, query, status, text):
    call = make_call(local, id=service_id, query=query)

    assert await refusal(handlers.maintenance(call)) == (status, text)


async def test_maintenance_shows_in_the_services_health(local):
    await register(local, '{"Name":"a"}')
    await handlers.maintenance(make_call(local, id="a", query="enable=true&reason=upgrade%20now"))

    answer = await handlers.health_by_id(make_call(local, id="a", query="format=text"))

    assert (answer.status, answer.text) == (503, "maintenance")
    assert local.check("_service_maintenance:a").notes == "upgrade now"


@pytest.mark.parametrize(
    ("status", "code"), [("passing", 200), ("warning", 429), ("critical", 503)]
)
async def test_health_is_a_status_code(local, status, code):
    await register(local, f'{{"Name":"a","Check":{{"TTL":"1s","Status":"{status}"}}}}')

    answer = await handlers.health_by_id(make_call(local, id="a"))

    assert (answer.status, answer.headers) == (code, {"X-Consul-Reason": status})
    assert answer.json["AggregatedStatus"] == status
    assert answer.json["Service"]["ID"] == "a"
    assert [check["Type"] for check in answer.json["Checks"]] == [""]


async def test_the_worst_instance_of_a_name_decides(local):
    await register(local, '{"ID":"1","Name":"a","Check":{"TTL":"1s","Status":"passing"}}')
    await register(local, '{"ID":"2","Name":"a","Check":{"TTL":"1s","Status":"warning"}}')
    text = {"Accept": "text/plain"}

    shown = await handlers.health_by_name(make_call(local, name="a"))
    answer = await handlers.health_by_name(make_call(local, name="a", headers=text))

    assert (answer.status, answer.text) == (429, "warning")
    assert [health["Service"]["ID"] for health in shown.json] == ["1", "2"]


async def test_health_of_the_unknown_is_not_found(local):
    by_id = await handlers.health_by_id(make_call(local, id="x"))
    by_name = await handlers.health_by_name(make_call(local, name="x"))
    text = await handlers.health_by_name(make_call(local, name="x", query="format=text"))

    assert (by_id.status, by_id.json) == (
        404,
        {"AggregatedStatus": "critical", "Service": None, "Checks": None},
    )
    assert (by_name.status, by_name.json) == (404, [])
    assert (text.status, text.text) == (404, "ServiceName x Not Found")


async def test_health_needs_an_id_or_a_name(local):
    assert await refusal(handlers.health_by_id(make_call(local, id=""))) == (
        400,
        "Bad request: Missing serviceID",
    )
    assert await refusal(handlers.health_by_name(make_call(local, name=""))) == (
        400,
        "Bad request: Missing service Name",
    )
