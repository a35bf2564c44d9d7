"""The facade: whole requests, all or nothing. Behaviour observed on Consul 1.9.8."""

import asyncio

import pytest

from agent.checks.ttl import TtlState
from agent.local.agent import SCRIPTS_OFF, SCRIPTS_OFF_REMOTE
from agent.local.errors import BadDefinition, LocalFault, UnknownRegistration
from agent.local.persist import LocalFiles
from agent.local.state import LOCAL, REMOTE, content_hash
from agent.tasks import Tasks
from tests.agent.local.fakes import check, make_local, service

TTL = '{"Name":"ttl1","Port":1,"Check":{"TTL":"30s"}}'


def test_an_equal_registration_keeps_status_and_deadline_and_wakes_nobody():
    local = make_local()
    local.register(TTL)
    local.agent.update_check("service:ttl1", "passing", "fine")
    local.settle()

    local.register(TTL)

    assert local.check("service:ttl1").status == "passing"
    assert local.runner.started == ["service:ttl1"]
    assert local.state.pending.is_empty


def test_earlier_checks_stay_unless_replaced():
    local = make_local()
    other = '{"Name":"ttl1","Port":1,"Checks":[{"CheckID":"other","TTL":"30s"}]}'
    local.register(TTL)

    local.register(other)
    assert set(local.state.checks) == {"other", "service:ttl1"}

    local.register(other, replace_checks=True)
    assert set(local.state.checks) == {"other"}
    assert set(local.runner.running) == {"other"}


def test_the_last_status_wins_over_the_initial_one():
    local = make_local()
    body = '{"Name":"a","Check":{"TTL":"30s","Status":"passing"}}'
    local.register(body)
    local.agent.update_check("service:a", "warning", "hmm")

    local.register(body.replace("30s", "40s"))

    row = local.check("service:a")
    assert (row.status, row.output) == ("warning", "hmm")
    assert local.runner.started == ["service:a", "service:a"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('{"Name":"ttl1","Port":2,"Check":{"HTTP":"http://x"}}', BadDefinition),
        ('{"Name":"ttl1","Port":2,"Check":{"Args":["true"],"Interval":"10s"}}', LocalFault),
        ('{"Name":"ttl1","Port":2,"Connect":{"SidecarService":{}}}', BadDefinition),
    ],
)
def test_a_failed_registration_changes_nothing(body, fault):
    local = make_local(sidecar_port_min=-1)
    local.register(TTL)
    local.settle()

    with pytest.raises(fault):
        local.register(body)

    assert local.state.services["ttl1"].service.port == 1
    assert local.state.pending.is_empty
    assert local.runner.started == ["service:ttl1"]


def test_a_disk_that_cannot_be_written_changes_nothing(tmp_path):
    (tmp_path / "services").write_text("in the way")
    local = make_local(data_dir=tmp_path)

    with pytest.raises(OSError, match="services"):
        local.register('{"Name":"a"}')

    assert dict(local.state.services) == {}


def test_scripts_over_the_api_need_their_own_permission():
    body = '{"Name":"c","Args":["true"],"Interval":"10s"}'
    with pytest.raises(LocalFault) as caught:
        make_local(enable_local_script_checks=True).register_check(body)
    assert str(caught.value) == SCRIPTS_OFF_REMOTE

    local = make_local(enable_script_checks=True)
    local.register_check(body)
    assert set(local.runner.running) == {"c"}


def test_scripts_of_the_configuration_need_one_of_two_permissions():
    definition = check('{"Name":"c","Args":["true"],"Interval":"10s"}')
    with pytest.raises(LocalFault) as caught:
        make_local().agent.start([], [definition])
    assert str(caught.value) == SCRIPTS_OFF

    local = make_local(enable_local_script_checks=True)
    local.agent.start([], [definition])
    assert set(local.runner.running) == {"c"}


def test_a_service_goes_with_its_sidecar_and_their_checks():
    local = make_local()
    local.register('{"Name":"web","Check":{"TTL":"1s"},"Connect":{"SidecarService":{}}}')
    assert set(local.state.services) == {"web", "web-sidecar-proxy"}

    local.agent.deregister_service("web")

    assert (dict(local.state.services), local.runner.running) == ({}, {})


def test_a_proxy_registered_by_itself_does_not_go_with_a_service():
    local = make_local()
    local.register('{"Name":"web"}')
    local.register(
        '{"Kind":"connect-proxy","Name":"web-sidecar-proxy","Port":1,'
        '"Proxy":{"DestinationServiceName":"web"}}'
    )

    local.agent.deregister_service("web")

    assert set(local.state.services) == {"web-sidecar-proxy"}


def test_unknown_ids_are_removed_in_silence_and_empty_ones_refused():
    agent = make_local().agent
    agent.deregister_service("nope")
    agent.deregister_check("nope")

    with pytest.raises(LocalFault, match=r"^ServiceID missing$"):
        agent.deregister_service("")
    with pytest.raises(LocalFault, match=r"^CheckID missing$"):
        agent.deregister_check("")


def test_whatever_id_registers_can_be_removed():
    local = make_local()
    for service_id in ("a/b//c", "ps\u2028x", "http://h:1/x", " ", "%41"):
        local.register(f'{{"ID":"{service_id}","Name":"slashy"}}')
        local.agent.deregister_service(service_id)

    assert dict(local.state.services) == {}


def test_a_check_of_an_unknown_service_is_refused():
    local = make_local()

    with pytest.raises(LocalFault, match=r'^ServiceID "x" does not exist$'):
        local.register_check('{"Name":"c","TTL":"1s","ServiceID":"x"}')


def test_a_check_alone_keeps_its_status_when_registered_again():
    local = make_local()
    local.register_check('{"Name":"c","TTL":"60s"}')
    local.agent.update_check("c", "passing", "ok")

    local.register_check('{"Name":"c","TTL":"70s"}')

    assert local.check("c").status == "passing"
    local.agent.deregister_check("c")
    assert dict(local.state.checks) == {}


def test_only_ttl_checks_can_be_updated():
    local = make_local()
    local.register_check('{"Name":"c","TCP":"127.0.0.1:1","Interval":"10s"}')

    for check_id in ("c", "nope", ""):
        with pytest.raises(LocalFault, match="does not have associated TTL"):
            local.agent.update_check(check_id, "passing", "")


def test_maintenance_is_on_once_and_off_again():
    local = make_local()
    local.register('{"Name":"a"}')
    local.agent.set_service_maintenance("a", enable=True, reason="first")
    local.agent.set_service_maintenance("a", enable=True, reason="second")
    local.agent.set_node_maintenance(enable=True)

    assert local.check("_service_maintenance:a").notes == "first"
    assert [row.check_id for row in local.agent.health_checks("a")] == [
        "_node_maintenance",
        "_service_maintenance:a",
    ]

    local.agent.set_service_maintenance("a", enable=False)
    local.agent.set_node_maintenance(enable=False)
    local.agent.set_node_maintenance(enable=False)
    assert dict(local.state.checks) == {}


def test_maintenance_of_an_unknown_service_is_refused():
    with pytest.raises(UnknownRegistration, match=r'^No service registered with ID "x"$'):
        make_local().agent.set_service_maintenance("x", enable=True)


def test_the_callers_token_is_kept_and_the_bodys_is_not():
    local = make_local()
    local.register('{"Name":"a","Token":"body","Check":{"TTL":"1s"}}', token="caller")

    assert local.state.services["a"].token == "caller"
    assert local.state.checks["service:a"].token == "caller"


async def test_waiting_for_a_change_ends_with_it_or_in_time():
    local, tasks = make_local(), Tasks()
    local.register('{"Name":"a"}')
    known = content_hash(local.state.services["a"].service)

    await local.agent.service_after("a", "other", 60)
    await local.agent.service_after("nope", known, 60)
    await local.agent.service_after("a", known, 0.001)
    waiting = tasks.start("wait", local.agent.service_after("a", known, 60))
    await asyncio.sleep(0)
    local.register('{"Name":"a","Check":{"TTL":"1s"}}')
    await asyncio.sleep(0)
    assert not waiting.done()  # a check is no part of the service's content
    local.register('{"Name":"a","Port":5}')
    await waiting


def test_a_failed_reload_changes_nothing_and_names_the_cause():
    local = make_local()
    local.agent.start([service('{"Name":"a"}'), service('{"Name":"b"}')], [])
    local.register('{"Name":"api"}')
    bad = service('{"Name":"z","Check":{"HTTP":"http://x"}}')

    with pytest.raises(LocalFault) as caught:
        local.agent.reload([service('{"Name":"a"}'), bad], [])

    assert str(caught.value) == (
        'Failed reloading services: Failed to validate checks for service "z": '
        "Interval must be > 0 for Script, HTTP, or TCP checks"
    )
    assert set(local.state.services) == {"a", "b", "api"}


def test_a_reload_replaces_what_the_configuration_defined_and_nothing_else():
    local = make_local()
    local.agent.start(
        [service('{"Name":"a","Check":{"TTL":"1s"}}'), service('{"Name":"b"}')],
        [check('{"Name":"old","TTL":"1s"}')],
    )
    local.agent.update_check("service:a", "passing", "ok")
    local.register('{"Name":"api"}')
    local.register_check('{"Name":"extra","TTL":"1s","ServiceID":"a"}')

    local.agent.reload([service('{"Name":"a","Port":2,"Check":{"TTL":"1s"}}')], [])

    assert set(local.state.services) == {"a", "api"}
    assert set(local.state.checks) == {"service:a", "extra"}
    assert local.check("service:a").status == "passing"
    assert (local.state.services["a"].source, local.state.services["api"].source) == (LOCAL, REMOTE)


def test_registrations_survive_a_restart(tmp_path):
    local = make_local(data_dir=tmp_path)
    local.register('{"Name":"web","Check":{"TTL":"30s"},"Connect":{"SidecarService":{}}}')
    local.register_check('{"Name":"c","TTL":"60s"}')
    local.agent.update_check("c", "passing", "fine")
    local.agent.set_node_maintenance(enable=True, reason="why")
    local.register('{"Name":"gone"}')
    local.agent.deregister_service("gone")

    again = make_local(data_dir=tmp_path)
    again.agent.start([], [])

    assert set(again.state.services) == {"web", "web-sidecar-proxy"}
    assert again.state.services["web"] == local.state.services["web"]
    assert (again.check("c").status, again.check("c").output) == ("passing", "fine")
    assert set(again.runner.resumed) == {"c"}
    assert again.check("service:web").status == "critical"
    assert again.check("_node_maintenance").notes == "why"
    again.agent.deregister_service("web")
    assert dict(again.state.services) == {}


def test_what_was_said_about_a_configured_ttl_check_survives_a_restart(tmp_path):
    definition = service('{"Name":"a","Check":{"TTL":"30s"}}')
    local = make_local(data_dir=tmp_path)
    local.agent.start([definition], [])
    local.agent.update_check("service:a", "passing", "fine")

    again = make_local(data_dir=tmp_path)
    again.agent.start([definition], [])

    assert again.check("service:a").status == "passing"
    assert set(again.runner.resumed) == {"service:a"}


def test_a_ttl_check_removed_and_registered_again_starts_critical(tmp_path):
    local = make_local(data_dir=tmp_path)
    local.register_check('{"Name":"c","TTL":"60s"}')
    local.agent.update_check("c", "passing", "fine")
    local.agent.deregister_check("c")

    local.register_check('{"Name":"c","TTL":"60s"}')

    assert local.check("c").status == "critical"


def test_a_ttl_that_ended_while_the_agent_was_away_starts_critical(tmp_path):
    local = make_local(data_dir=tmp_path)
    local.register_check('{"Name":"c","TTL":"60s"}')
    LocalFiles(tmp_path).write_ttl(
        TtlState(check_id="c", status="passing", output="ok", expires=1.0)
    )

    again = make_local(data_dir=tmp_path)
    again.agent.start([], [])

    assert (again.check("c").status, again.runner.resumed) == ("critical", {})


def test_the_configuration_wins_over_what_is_on_disk(tmp_path):
    local = make_local(data_dir=tmp_path)
    local.register('{"Name":"a","Port":1}')
    local.register_check('{"Name":"c","TTL":"1s"}')

    again = make_local(data_dir=tmp_path)
    again.agent.start([service('{"Name":"a","Port":2}')], [check('{"Name":"c","TTL":"2s"}')])

    assert again.state.services["a"].service.port == 2
    third = make_local(data_dir=tmp_path)
    third.agent.start([], [])
    assert (dict(third.state.services), dict(third.state.checks)) == ({}, {})
